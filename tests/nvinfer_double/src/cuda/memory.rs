//! Memory as CUDA gives it. What only the device may read is mapped twice: the program gets an address that it cannot
//! read, the double works through another one. So a program that reads device memory crashes here as it would on a board.

use std::collections::BTreeMap;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{faults, life};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `cudaMalloc`.
    Device,
    /// `cudaHostAlloc`; `mapped` when the device may read it too.
    Host { mapped: bool },
    /// The program's own memory, after `cudaHostRegister`.
    Registered,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Device => "device memory",
            Kind::Host { .. } => "pinned memory",
            Kind::Registered => "registered memory",
        }
    }
}

/// One allocation.
pub struct Block {
    kind: Kind,
    /// What the program has.
    address: usize,
    /// Where the double reads and writes.
    alias: usize,
    len: usize,
    life: u64,
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.kind == Kind::Registered {
            return;
        }
        // SAFETY: both mappings were made for this block alone.
        unsafe {
            libc::munmap(self.address as *mut _, self.len);
            if self.alias != self.address {
                libc::munmap(self.alias as *mut _, self.len);
            }
        }
    }
}

static BLOCKS: Mutex<BTreeMap<usize, Arc<Block>>> = Mutex::new(BTreeMap::new());

fn blocks() -> MutexGuard<'static, BTreeMap<usize, Arc<Block>>> {
    BLOCKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Allocates; `None` when the device's memory is used up.
pub fn allocate(len: usize, kind: Kind) -> Option<usize> {
    let mut blocks = blocks();
    let used: usize = blocks.values().map(|block| block.len).sum();
    if used.saturating_add(len) > faults::memory_limit() {
        return None;
    }
    let (address, alias) = map(len, kind)?;
    let life = life::born(kind.name(), 0);
    let block = Block {
        kind,
        address,
        alias,
        len,
        life,
    };
    blocks.insert(address, Arc::new(block));
    Some(address)
}

fn map(len: usize, kind: Kind) -> Option<(usize, usize)> {
    let visible = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: new mappings at addresses of the kernel's choice.
    unsafe {
        let file = libc::memfd_create(c"device".as_ptr(), 0);
        if file < 0 || libc::ftruncate(file, len as libc::off_t) != 0 {
            return None;
        }
        let mapped = |protection| {
            let address = libc::mmap(null_mut(), len, protection, libc::MAP_SHARED, file, 0);
            (address != libc::MAP_FAILED).then_some(address as usize)
        };
        let alias = mapped(visible);
        let address = match kind {
            Kind::Device => mapped(libc::PROT_NONE),
            Kind::Host { .. } | Kind::Registered => alias,
        };
        libc::close(file);
        Some((address?, alias?))
    }
}

/// Notes that the program's own memory stays where it is.
///
/// # Errors
/// Memory that is CUDA's already.
pub fn register(address: usize, len: usize) -> Result<(), String> {
    let mut blocks = blocks();
    let below = blocks.range(..address + len).next_back();
    if below.is_some_and(|(start, block)| start + block.len > address) {
        return Err(format!("{address:#x} is registered or CUDA's already"));
    }
    let block = Block {
        kind: Kind::Registered,
        address,
        alias: address,
        len,
        life: life::born(Kind::Registered.name(), 0),
    };
    blocks.insert(address, Arc::new(block));
    Ok(())
}

/// Whether the device may copy from an address of the host by itself.
pub fn is_page_locked(address: usize) -> bool {
    let blocks = blocks();
    let below = blocks.range(..=address).next_back().map(|(_, block)| block);
    below.is_some_and(|block| block.kind != Kind::Device && address < block.address + block.len)
}

/// Ends an allocation, or a registration; executions that still use it keep their part.
///
/// # Errors
/// An address that none of this kind begins at.
pub fn free(address: usize, fits: impl Fn(Kind) -> bool) -> Result<(), String> {
    let mut blocks = blocks();
    if blocks.get(&address).is_some_and(|block| fits(block.kind)) {
        let block = blocks.remove(&address).expect("it was found");
        life::died(block.life);
        Ok(())
    } else {
        Err(format!("{address:#x} is not allocated, or was freed before"))
    }
}

/// Part of a block, kept alive.
pub struct Region {
    block: Arc<Block>,
    start: usize,
    len: usize,
}

impl Region {
    /// What kind of memory it is in.
    pub fn memory(&self) -> &'static str {
        self.block.kind.name()
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: within the block's second mapping, which the block keeps.
        unsafe { std::slice::from_raw_parts(self.start as *const u8, self.len) }
    }

    #[allow(clippy::mut_from_ref)] // the device writes where the program only has an address
    pub fn bytes_mut(&self) -> &mut [u8] {
        // SAFETY: as above; streams run one task at a time, and two that write the same buffer race on a board as well.
        unsafe { std::slice::from_raw_parts_mut(self.start as *mut u8, self.len) }
    }

    /// Fills it with what is no number in any format.
    pub fn spoil(&self) {
        self.bytes_mut().fill(0xff);
    }
}

/// `len` bytes at an address.
///
/// # Errors
/// No allocation there, one that is too small, or (for the device) one that only the host may read.
pub fn region(address: usize, len: usize, for_device: bool) -> Result<Region, String> {
    if address == 0 {
        return Err("it has no address".into());
    }
    let blocks = blocks();
    let below = blocks.range(..=address).next_back().map(|(_, block)| block);
    let block = below.filter(|block| address < block.address + block.len);
    let block = block.ok_or_else(|| format!("{address:#x} is not allocated by CUDA, or was freed"))?;
    if for_device && matches!(block.kind, Kind::Host { mapped: false } | Kind::Registered) {
        return Err("its pinned memory is not mapped for the device".into());
    }
    let offset = address - block.address;
    match block.len - offset {
        room if room < len => Err(format!("its buffer has {room} bytes instead of {len}")),
        _ => Ok(Region {
            block: block.clone(),
            start: block.alias + offset,
            len,
        }),
    }
}
