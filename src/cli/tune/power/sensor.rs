//! The INA3221 power monitors of a Jetson, through sysfs.
//!
//! JetPack 5 and 6 have the kernel's driver: `in1_label`, `in1_input` (millivolts) and `curr1_input` (milliamperes) under
//! hwmon (<https://docs.kernel.org/hwmon/ina3221.html>). JetPack 4 has NVIDIA's own: `rail_name_0`, `in_voltage0_input` and
//! `in_current0_input`, in the same units, under iio. No board was at hand: both are read as they are documented.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a driver lists its devices, from the root of sysfs; and how it names a rail, its voltage and its current.
struct Driver {
    /// Under `bus/i2c/drivers`; an address such as `1-0040` comes between it and `class`.
    name: &'static str,
    class: &'static str,
    /// The start of the names of folders in `class`.
    device: &'static str,
    /// Files of channel `#`.
    label: &'static str,
    millivolts: &'static str,
    milliamperes: &'static str,
}

const DRIVERS: [Driver; 2] = [
    Driver {
        name: "ina3221",
        class: "hwmon",
        device: "hwmon",
        label: "in#_label",
        millivolts: "in#_input",
        milliamperes: "curr#_input",
    },
    Driver {
        name: "ina3221x",
        class: "",
        device: "iio:device",
        label: "rail_name_#",
        millivolts: "in_voltage#_input",
        milliamperes: "in_current#_input",
    },
];

/// A monitor has three channels, which one driver counts from 0 and the other from 1.
const CHANNELS: std::ops::RangeInclusive<u8> = 0..=3;

/// One supply that is monitored.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rail {
    name: String,
    millivolts: PathBuf,
    milliamperes: PathBuf,
}

/// Rails whose sum counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sensor {
    rails: Vec<Rail>,
}

/// Why no power is known.
#[derive(Debug, thiserror::Error)]
pub enum SensorError {
    #[error("there is no power monitor in {}", looked.join(" or "))]
    None { looked: Vec<String> },
    #[error("the power monitors have no rail `{asked}`: they have {}", found.join(", "))]
    Rail { asked: String, found: Vec<String> },
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
}

impl Sensor {
    /// The rails called `names` of all monitors under `sysfs`, which is `/sys` on a board.
    ///
    /// # Errors
    /// No monitor there, naming where was looked; a name that no monitor has, with those there are; a file that cannot be
    /// read.
    pub fn find(sysfs: &Path, names: &[String]) -> Result<Sensor, SensorError> {
        let mut found = Vec::new();
        for driver in &DRIVERS {
            for device in driver.devices(sysfs) {
                found.extend(CHANNELS.filter_map(|channel| driver.rail(&device, channel)));
            }
        }
        if found.is_empty() {
            let looked = DRIVERS.iter().map(|driver| driver.pattern(sysfs));
            return Err(SensorError::None {
                looked: looked.collect(),
            });
        }
        let rail = |name: &String| {
            let rail = found.iter().find(|rail| rail.name == *name).cloned();
            rail.ok_or_else(|| SensorError::Rail {
                asked: name.clone(),
                found: found.iter().map(|rail| rail.name.clone()).collect(),
            })
        };
        let rails = names.iter().map(rail).collect::<Result<_, _>>()?;
        let sensor = Sensor { rails };
        sensor.watts()?;
        Ok(sensor)
    }

    /// What the rails take at this moment.
    pub fn watts(&self) -> Result<f64, SensorError> {
        let power = |rail: &Rail| Ok(number(&rail.millivolts)? * number(&rail.milliamperes)? / 1e6);
        self.rails.iter().map(power).sum()
    }

    /// `VDD_GPU_SOC + VDD_CPU_CV`.
    pub fn describe(&self) -> String {
        let names = self.rails.iter().map(|rail| rail.name.as_str());
        names.collect::<Vec<_>>().join(" + ")
    }
}

impl Driver {
    fn root(&self, sysfs: &Path) -> PathBuf {
        sysfs.join("bus/i2c/drivers").join(self.name)
    }

    /// Where its devices are, for people.
    fn pattern(&self, sysfs: &Path) -> String {
        let device = Path::new("*").join(self.class).join(format!("{}*", self.device));
        self.root(sysfs).join(device).display().to_string()
    }

    fn devices(&self, sysfs: &Path) -> Vec<PathBuf> {
        let monitors = folders(&self.root(sysfs)).into_iter();
        let devices = monitors.flat_map(|monitor| folders(&monitor.join(self.class)));
        let mine = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(self.device)
        };
        devices.filter(mine).collect()
    }

    /// A channel without a name, or called `NC`, is not connected.
    fn rail(&self, device: &Path, channel: u8) -> Option<Rail> {
        let file = |pattern: &str| device.join(pattern.replace('#', &channel.to_string()));
        let name = fs::read_to_string(file(self.label)).ok()?;
        let name = name.trim().to_string();
        (!name.is_empty() && name != "NC").then(|| Rail {
            name,
            millivolts: file(self.millivolts),
            milliamperes: file(self.milliamperes),
        })
    }
}

/// The entries of a folder, by name; none where there is no such folder.
fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    entries.sort();
    entries
}

fn number(path: &Path) -> Result<f64, SensorError> {
    let unreadable = |reason: String| SensorError::Unreadable {
        path: path.to_path_buf(),
        reason,
    };
    let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let text = text.trim();
    text.parse()
        .map_err(|_| unreadable(format!("it holds `{text}`, which is no number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join("bus/i2c/drivers").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    const HWMON: [(&str, &str); 8] = [
        ("ina3221/1-0040/hwmon/hwmon4/in1_label", "VDD_GPU_SOC\n"),
        ("ina3221/1-0040/hwmon/hwmon4/in1_input", "19000\n"),
        ("ina3221/1-0040/hwmon/hwmon4/curr1_input", "500\n"),
        ("ina3221/1-0040/hwmon/hwmon4/in2_label", "VDD_CPU_CV\n"),
        ("ina3221/1-0040/hwmon/hwmon4/in2_input", "19000\n"),
        ("ina3221/1-0040/hwmon/hwmon4/curr2_input", "none\n"),
        ("ina3221/1-0041/hwmon/hwmon5/in1_label", "NC\n"),
        ("ina3221/bind", ""),
    ];
    const IIO: [(&str, &str); 5] = [
        ("ina3221x/7-0040/iio:device0/rail_name_0", "VDD_IN\n"),
        ("ina3221x/7-0040/iio:device0/in_voltage0_input", "5000\n"),
        ("ina3221x/7-0040/iio:device0/in_current0_input", "1200\n"),
        ("ina3221x/7-0040/iio:device0/rail_name_1", "VDD_CPU_GPU_CV\n"),
        ("ina3221x/7-0040/iio_device/rail_name_0", "OTHER\n"),
    ];

    #[test]
    fn rails_are_found_under_both_drivers_and_added_up() {
        let one = [HWMON[0], HWMON[1], HWMON[2]];
        for (files, names, want, why) in [
            (&IIO[..], "VDD_IN", 6.0, "JetPack 4: 5 V times 1.2 A"),
            (&HWMON[..], "VDD_GPU_SOC", 9.5, "JetPack 5"),
            (
                &[&one[..], &IIO].concat(),
                "VDD_IN,VDD_GPU_SOC",
                15.5,
                "several rails",
            ),
        ] {
            let root = tree(files);
            let names: Vec<String> = names.split(',').map(str::to_string).collect();
            let sensor = Sensor::find(root.path(), &names).unwrap();
            assert!((sensor.watts().unwrap() - want).abs() < 1e-9, "{why}");
            assert_eq!(sensor.describe(), names.join(" + "));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (files, name, want) in [
            (
                &[][..],
                "VDD_IN",
                "there is no power monitor in ROOT/bus/i2c/drivers/ina3221/*/hwmon/hwmon* or ROOT/bus/i2c/drivers/ina3221x/*/iio:device*",
            ),
            (
                &HWMON,
                "VDD_IN",
                "have no rail `VDD_IN`: they have VDD_GPU_SOC, VDD_CPU_CV",
            ),
            (&HWMON, "NC", "have no rail `NC`"),
            (
                &HWMON,
                "VDD_CPU_CV",
                "hwmon4/curr2_input: it holds `none`, which is no number",
            ),
            (
                &IIO,
                "VDD_CPU_GPU_CV",
                "cannot read ROOT/bus/i2c/drivers/ina3221x/7-0040/iio:device0/in_voltage1_input",
            ),
        ] {
            let root = tree(files);
            let error = Sensor::find(root.path(), &[name.to_string()]).unwrap_err();
            let text = error
                .to_string()
                .replace(&root.path().display().to_string(), "ROOT");
            assert!(text.contains(want), "{text}");
        }
    }
}
