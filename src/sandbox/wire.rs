//! What launcher and shim say to each other over the socket that is the shim's standard input.
//!
//! The launcher sends one frame (lengths, the order as JSON, the program's standard input), then words: single bytes, of which [`FENCE`] is followed by a
//! time. The shim answers with JSON lines. Nothing of it is in an argument or an environment variable. When the launcher's side closes, the launcher is dead: the shim kills.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

/// SIGTERM, the grace, SIGKILL.
pub(super) const TERMINATE: u8 = b'T';
/// SIGKILL at once.
pub(super) const KILL: u8 = b'K';
/// SIGSTOP for the whole tree.
pub(super) const FREEZE: u8 = b'F';
/// The opposite. Behind its fence a tree stays frozen all the same.
pub(super) const THAW: u8 = b'C';
/// The fence is moved: eight bytes follow, milliseconds on the machine's clock, big-endian.
pub(super) const FENCE: u8 = b'L';

/// The longest order in bytes: arguments and environment of one exec are bounded by the kernel at a few MB anyway.
const MAX_ORDER: usize = 16 << 20;
/// The longest standard input in bytes.
const MAX_STDIN: usize = 1 << 30;

/// What the shim is to run.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) program: String,
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) cwd: PathBuf,
    pub(super) deadline_ms: u64,
    pub(super) grace_ms: u64,
    pub(super) max_open_files: u64,
    pub(super) fence: Option<Fenced>,
}

/// The fence of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fenced {
    /// Until when the program may run: milliseconds on the machine's clock.
    pub(super) at_ms: u64,
    /// How long it stands frozen behind the fence before it is killed.
    pub(super) patience_ms: u64,
}

/// What the shim tells.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// The program runs.
    Started,
    /// It could not be started.
    NotStarted(String),
    /// Its whole tree stands still since this time, in milliseconds on the machine's clock.
    Frozen { at_ms: u64 },
    /// It goes on since this time.
    Thawed { at_ms: u64 },
    /// It ended; exactly one of `code` and `signal` is set.
    Ended { code: Option<i32>, signal: Option<i32>, deadline: bool },
}

/// The frame that carries an order, without the program's standard input, which follows it.
pub(super) fn frame(order: &Order, stdin_len: usize) -> Result<Vec<u8>, String> {
    let json = serde_json::to_vec(order).map_err(|e| e.to_string())?;
    if json.len() > MAX_ORDER || stdin_len > MAX_STDIN {
        return Err(format!(
            "{} bytes of description and {stdin_len} bytes of input are too much",
            json.len()
        ));
    }
    let mut frame = Vec::with_capacity(16 + json.len());
    frame.extend_from_slice(&(json.len() as u64).to_be_bytes());
    frame.extend_from_slice(&(stdin_len as u64).to_be_bytes());
    frame.extend_from_slice(&json);
    Ok(frame)
}

/// Reads an order and the program's standard input.
pub(super) fn read_order(from: &mut impl Read) -> io::Result<(Order, Vec<u8>)> {
    let json_len = read_length(from, MAX_ORDER)?;
    let stdin_len = read_length(from, MAX_STDIN)?;
    let mut json = vec![0; json_len];
    from.read_exact(&mut json)?;
    let mut stdin = vec![0; stdin_len];
    from.read_exact(&mut stdin)?;
    Ok((serde_json::from_slice(&json)?, stdin))
}

/// The word that moves the fence.
pub(super) fn fence_word(at: Duration) -> [u8; 9] {
    let mut word = [FENCE; 9];
    word[1..].copy_from_slice(&millis(at).to_be_bytes());
    word
}

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn read_length(from: &mut impl Read, max: usize) -> io::Result<usize> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    let length = usize::try_from(u64::from_be_bytes(bytes)).unwrap_or(usize::MAX);
    if length > max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is too long"));
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_the_wire() {
        let order = Order {
            program: "a b".into(),
            args: vec!["--x=\"\n'".into()],
            env: BTreeMap::from([("KEY".into(), "välue".into())]),
            cwd: "/tmp".into(),
            deadline_ms: 1,
            grace_ms: 2,
            max_open_files: 3,
            fence: Some(Fenced { at_ms: 4, patience_ms: 5 }),
        };
        let mut bytes = frame(&order, 3).expect("a frame");
        bytes.extend_from_slice(b"inp");
        assert_eq!(read_order(&mut bytes.as_slice()).expect("an order"), (order, b"inp".to_vec()));
        assert!(read_order(&mut &bytes[..bytes.len() - 1]).is_err());
        assert!(read_order(&mut [0xff; 64].as_slice()).is_err());
    }
}
