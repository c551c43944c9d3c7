//! Memory and effort of a build: the options of `--backend tensorrt`, as trtexec spells them.

use crate::plan::Device;
use crate::split::Version;

/// What the builder may use; what is not given is TensorRT's own choice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Effort {
    /// Scratch memory in MiB.
    pub workspace: Option<u32>,
    /// Pools of one DLA engine in KiB: managed SRAM, DRAM for tensors, DRAM for weights.
    pub dla_sram: Option<u32>,
    pub dla_local_dram: Option<u32>,
    pub dla_global_dram: Option<u32>,
    /// 0 to 5.
    pub level: Option<u8>,
}

const POOLS: Version = Version(8, 4, 0);
const LEVELS: Version = Version(8, 6, 0);

impl Effort {
    /// The option that `version` lacks.
    pub fn missing(&self, version: Version) -> Option<&'static str> {
        let pools = [self.dla_sram, self.dla_local_dram, self.dla_global_dram];
        if version < POOLS && pools.iter().any(Option::is_some) {
            return Some("the pools of a DLA came with TensorRT 8.4");
        }
        let level = version < LEVELS && self.level.is_some();
        level.then_some("the builder's level came with TensorRT 8.6")
    }

    /// The words for one device's engine.
    pub fn words(&self, version: Version, device: Device) -> Vec<String> {
        let mut words = Vec::new();
        if version < POOLS {
            words.extend(self.workspace.map(|mib| format!("--workspace={mib}")));
            return words;
        }
        let mut pools: Vec<String> = Vec::new();
        pools.extend(self.workspace.map(|mib| format!("workspace:{mib}")));
        if let Device::Dla(_) = device {
            let named = [
                ("dlaSRAM", self.dla_sram),
                ("dlaLocalDRAM", self.dla_local_dram),
                ("dlaGlobalDRAM", self.dla_global_dram),
            ];
            // trtexec counts in MiB, with fractions.
            let named = named.into_iter().filter_map(|(name, kib)| Some((name, kib?)));
            pools.extend(named.map(|(name, kib)| format!("{name}:{}", f64::from(kib) / 1024.0)));
        }
        if !pools.is_empty() {
            words.push(format!("--memPoolSize={}", pools.join(",")));
        }
        let level = self.level;
        words.extend(level.map(|level| format!("--builderOptimizationLevel={level}")));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_spells_what_it_has() {
        let all = Effort {
            workspace: Some(64),
            dla_sram: Some(512),
            dla_local_dram: Some(65536),
            dla_global_dram: Some(131072),
            level: None,
        };
        let workspace = Effort {
            workspace: Some(64),
            ..Effort::default()
        };
        let level = Effort {
            level: Some(2),
            ..Effort::default()
        };
        let pools = "--memPoolSize=workspace:64,dlaSRAM:0.5,dlaLocalDRAM:64,dlaGlobalDRAM:128";
        let cases = [
            (
                workspace,
                Version(8, 2, 1),
                Device::Gpu,
                "--workspace=64",
                "no pools yet",
            ),
            (
                all,
                Version(8, 4, 0),
                Device::Dla(0),
                pools,
                "the first with pools",
            ),
            (
                all,
                Version(10, 3, 0),
                Device::Gpu,
                "--memPoolSize=workspace:64",
                "the GPU has no others",
            ),
            (
                level,
                Version(8, 6, 2),
                Device::Gpu,
                "--builderOptimizationLevel=2",
                "JetPack 6.0",
            ),
            (
                Effort::default(),
                Version(10, 3, 0),
                Device::Dla(1),
                "",
                "TensorRT's own",
            ),
        ];
        for (effort, version, device, want, why) in cases {
            assert_eq!(effort.missing(version), None, "{why}");
            assert_eq!(effort.words(version, device).join(" "), want, "{why}");
        }
        assert!(all.missing(Version(8, 2, 1)).is_some());
        assert!(level.missing(Version(8, 5, 2)).is_some());
    }
}
