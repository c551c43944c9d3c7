//! The processor that a library was compiled for.

use std::fmt;

/// A processor as ELF names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine(u16);

impl Machine {
    const X86_64: Machine = Machine(62);
    const AARCH64: Machine = Machine(183);

    /// That of the ELF file `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Option<Machine> {
        const BIG_ENDIAN: u8 = 2;
        let number: [u8; 2] = bytes.get(18..20)?.try_into().ok()?;
        bytes.starts_with(b"\x7fELF").then(|| {
            if bytes[5] == BIG_ENDIAN {
                Machine(u16::from_be_bytes(number))
            } else {
                Machine(u16::from_le_bytes(number))
            }
        })
    }

    /// That of this program; `None` where this has no name for it.
    pub fn here() -> Option<Machine> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Machine::X86_64),
            "aarch64" => Some(Machine::AARCH64),
            _ => None,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Machine::X86_64 => f.write_str("x86-64"),
            Machine::AARCH64 => f.write_str("AArch64"),
            Machine(3) => f.write_str("x86"),
            Machine(40) => f.write_str("ARM"),
            Machine(243) => f.write_str("RISC-V"),
            Machine(number) => write!(f, "ELF machine {number}"),
        }
    }
}

/// What packed a file, by its first bytes.
pub(super) fn packer(bytes: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 5] = [
        (b"\x1f\x8b", "gzip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"PK\x03\x04", "zip"),
    ];
    let mut known = KNOWN.into_iter();
    known.find_map(|(magic, name)| bytes.starts_with(magic).then_some(name))
}
