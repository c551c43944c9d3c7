//! One plan file: magic, length of the header, header as JSON, plan. The header has the key and the plan's digest.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::key::{CacheKey, hex};

const MAGIC: &[u8; 8] = b"dla-plan";
/// Magic and length.
const PREAMBLE: usize = 8 + 4;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    key: CacheKey,
    plan_bytes: u64,
    plan_sha256: String,
}

/// Everything before the plan.
pub(super) fn head(key: &CacheKey, plan: &[u8]) -> Vec<u8> {
    let header = Header {
        key: key.clone(),
        plan_bytes: plan.len() as u64,
        plan_sha256: hex(&Sha256::digest(plan)),
    };
    let json = serde_json::to_vec(&header).expect("a header is plain data");
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&(json.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&json);
    bytes
}

/// The key and the plan of a file's bytes.
///
/// # Errors
/// In words, what is wrong with the file.
pub(super) fn parse(mut bytes: Vec<u8>) -> Result<(CacheKey, Vec<u8>), String> {
    let (header, start) = header(&bytes)?;
    let plan = bytes.split_off(start);
    if plan.len() as u64 != header.plan_bytes {
        let (have, want) = (plan.len(), header.plan_bytes);
        return Err(format!("its plan has {have} bytes instead of {want}"));
    }
    if hex(&Sha256::digest(&plan)) == header.plan_sha256 {
        Ok((header.key, plan))
    } else {
        Err("its plan is not the one that was written (the digest differs)".into())
    }
}

fn header(bytes: &[u8]) -> Result<(Header, usize), String> {
    let short = || "it ends within its header".to_string();
    if bytes.get(..8).is_none_or(|magic| magic != MAGIC) {
        return Err("it is no plan file of this program".into());
    }
    let length = bytes.get(8..PREAMBLE).ok_or_else(short)?;
    let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
    let end = PREAMBLE + length as usize;
    let json = bytes.get(PREAMBLE..end).ok_or_else(short)?;
    let header = serde_json::from_slice(json);
    Ok((header.map_err(|e| format!("its header is unreadable: {e}"))?, end))
}
