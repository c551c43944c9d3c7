//! Which Jetson this is and which JetPack it runs, read where NVIDIA's packages write it.

use std::fs;
use std::path::Path;

/// What the files of a machine say; every part may be missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Jetson {
    /// The board's name, e.g. `NVIDIA Jetson Xavier NX Developer Kit`.
    pub model: Option<String>,
    /// The release of Jetson Linux, e.g. `32.7.1`.
    pub linux: Option<String>,
    /// The parts that the board is made of and its chip, e.g. `nvidia,p3668-0001` and `nvidia,tegra194`.
    pub compatible: Vec<String>,
    /// The version of the package `nvidia-jetpack`, e.g. `5.1.2-b104`. Images without it are common.
    pub package: Option<String>,
}

/// The names of what a JetPack's TensorRT backend needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packages {
    pub tensorrt: &'static str,
    pub headers: &'static str,
    pub cuda: &'static str,
}

impl Jetson {
    /// Reads the machine under `root`, which is `/` outside tests.
    pub fn read(root: &Path) -> Jetson {
        let text = |path: &str| fs::read(root.join(path)).ok();
        let text = |path: &str| text(path).map(|b| String::from_utf8_lossy(&b).into_owned());
        let model = text("proc/device-tree/model");
        let parts = text("proc/device-tree/compatible").unwrap_or_default();
        let parts = parts.split('\0').map(str::to_string);
        let release = text("etc/nv_tegra_release");
        let packages = text("var/lib/dpkg/status");
        Jetson {
            model: model
                .map(|m| m.trim_matches(['\0', '\n', ' ']).to_string())
                .filter(|m| m.contains("Jetson")),
            compatible: parts.filter(|part| !part.is_empty()).collect(),
            linux: release.as_deref().and_then(linux),
            package: packages.as_deref().and_then(jetpack),
        }
    }

    /// Whether this machine is a Jetson.
    pub fn is_jetson(&self) -> bool {
        self.model.is_some() || self.linux.is_some()
    }

    /// What a library that cannot be loaded deserves, with the packages of this JetPack that have it.
    pub fn without(&self, error: &str, packages: impl Fn(Packages) -> String) -> String {
        match self.packages() {
            Some(known) => format!("{error}\n  help: sudo apt-get install {}", packages(known)),
            None => error.to_string(),
        }
    }

    /// [`Jetson::without`] TensorRT.
    pub fn without_tensorrt(&self, error: &str) -> String {
        let packages = |p: Packages| format!("{} {}, then build tvm-dla again", p.tensorrt, p.headers);
        self.without(error, packages)
    }

    /// JetPack's version: the package's, else the one that came with this Jetson Linux.
    pub fn jetpack(&self) -> Option<String> {
        let known = self.linux.as_deref().and_then(with_linux);
        self.package.clone().or(known.map(String::from))
    }

    /// By the major version of Jetson Linux; `None` for one that has no DLA behind TensorRT, or no name here.
    pub fn packages(&self) -> Option<Packages> {
        let linux = self.linux.as_deref()?;
        let (tensorrt, headers, cuda) = match linux.split('.').next()? {
            "32" => ("libnvinfer8", "libnvinfer-dev", "cuda-cudart-10-2"),
            "35" => ("libnvinfer8", "libnvinfer-dev", "cuda-cudart-11-4"),
            "36" => ("libnvinfer10", "libnvinfer-headers-dev", "cuda-cudart-12-6"),
            _ => return None,
        };
        Some(Packages {
            tensorrt,
            headers,
            cuda,
        })
    }
}

/// `# R32 (release), REVISION: 7.1, GCID: ...` is 32.7.1.
fn linux(release: &str) -> Option<String> {
    let line = release.lines().next()?;
    let major = line.split_once('R')?.1;
    let major: String = major.chars().take_while(char::is_ascii_digit).collect();
    let minor = line.split_once("REVISION: ")?.1.split(',').next()?.trim();
    (!major.is_empty()).then(|| format!("{major}.{minor}"))
}

/// The version in the stanza of an installed `nvidia-jetpack`.
fn jetpack(status: &str) -> Option<String> {
    let mut stanzas = status.split("\n\n");
    let stanza = stanzas.find(|stanza| {
        let mut lines = stanza.lines();
        lines.any(|l| l == "Package: nvidia-jetpack") && stanza.contains("ok installed")
    })?;
    let version = stanza.lines().find_map(|l| l.strip_prefix("Version: "))?;
    Some(version.to_string())
}

/// NVIDIA's JetPack archive, from the first with DLA and TensorRT 8 on.
fn with_linux(linux: &str) -> Option<&'static str> {
    const RELEASES: [(&str, &str); 18] = [
        ("32.6.1", "4.6"),
        ("32.7.1", "4.6.1"),
        ("32.7.2", "4.6.2"),
        ("32.7.3", "4.6.3"),
        ("32.7.4", "4.6.4"),
        ("32.7.5", "4.6.5"),
        ("32.7.6", "4.6.6"),
        ("35.1", "5.0.2"),
        ("35.1.0", "5.0.2"),
        ("35.2.1", "5.1"),
        ("35.3.1", "5.1.1"),
        ("35.4.1", "5.1.2"),
        ("35.5.0", "5.1.3"),
        ("35.6.0", "5.1.4"),
        ("36.3.0", "6.0"),
        ("36.4.0", "6.1"),
        ("36.4.3", "6.2"),
        ("36.4.4", "6.2.1"),
    ];
    let found = RELEASES.iter().find(|(release, _)| *release == linux);
    found.map(|(_, version)| *version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> Jetson {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Jetson::read(root.path())
    }

    #[test]
    fn a_board_is_known_by_its_files() {
        const MODEL: &str = "proc/device-tree/model";
        const RELEASE: &str = "etc/nv_tegra_release";
        const STATUS: &str = "var/lib/dpkg/status";
        type Case<'a> = (&'a [(&'a str, &'a str)], bool, Option<&'a str>, &'a str);
        let cases: [Case; 6] = [
            (&[], false, None, "a desktop"),
            (
                &[(MODEL, "Raspberry Pi 5 Model B\0")],
                false,
                None,
                "another board with a device tree",
            ),
            (
                &[
                    (MODEL, "NVIDIA Jetson Xavier NX Developer Kit\0"),
                    (
                        RELEASE,
                        "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t186ref",
                    ),
                ],
                true,
                Some("4.6.1"),
                "the paper's board, by its Jetson Linux",
            ),
            (
                &[
                    (RELEASE, "# R35 (release), REVISION: 4.1, GCID: 33958178"),
                    (
                        STATUS,
                        "Package: nvidia-jetpack\nStatus: install ok installed\nVersion: 5.1.2-b104\n\nPackage: z\nVersion: 9",
                    ),
                ],
                true,
                Some("5.1.2-b104"),
                "the package says it exactly",
            ),
            (
                &[
                    (RELEASE, "# R36 (release), REVISION: 4.3, GCID: 38968081"),
                    (
                        STATUS,
                        "Package: nvidia-jetpack\nStatus: deinstall ok config-files\nVersion: 5.0",
                    ),
                ],
                true,
                Some("6.2"),
                "a package that was removed says nothing",
            ),
            (
                &[(RELEASE, "# R99 (release), REVISION: 1.0")],
                true,
                None,
                "a release not known yet",
            ),
        ];
        for (files, is_jetson, version, why) in cases {
            let jetson = machine(files);
            assert_eq!(jetson.is_jetson(), is_jetson, "{why}");
            assert_eq!(jetson.jetpack().as_deref(), version, "{why}");
        }
    }

    #[test]
    fn packages_are_named_for_the_release() {
        let cases = [
            ("32.7.1", Some("cuda-cudart-10-2")),
            ("35.4.1", Some("cuda-cudart-11-4")),
            ("36.4.3", Some("cuda-cudart-12-6")),
            ("38.2.0", None),
        ];
        for (linux, cuda) in cases {
            let jetson = Jetson {
                linux: Some(linux.into()),
                ..Jetson::default()
            };
            assert_eq!(jetson.packages().map(|p| p.cuda), cuda, "{linux}");
        }
    }
}
