//! Splits a pipe into lines within fixed memory.

use super::spec::{Output, Stream};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// How much is read at once, in bytes: the capacity of a pipe.
const CHUNK: usize = 64 << 10;

/// What one step gave.
#[derive(Debug)]
pub(super) enum Piece {
    /// A line.
    Line(Output),
    /// Bytes of a line that is not complete, or of one too long.
    Part,
    /// The stream has ended.
    End,
}

/// One output stream. Holds at most one line (of the longest allowed length) and one chunk.
#[derive(Debug)]
pub(super) struct Lines {
    pipe: Option<Receiver>,
    stream: Stream,
    max_line: usize,
    chunk: Vec<u8>,
    /// The part of `chunk` that is not looked at yet.
    rest: std::ops::Range<usize>,
    line: Vec<u8>,
    truncated: bool,
    /// Bytes read so far.
    read: u64,
}

impl Lines {
    pub(super) fn new(pipe: Receiver, stream: Stream, max_line: usize) -> Self {
        Self {
            pipe: Some(pipe),
            stream,
            max_line,
            chunk: vec![0; CHUNK],
            rest: 0..0,
            line: Vec::new(),
            truncated: false,
            read: 0,
        }
    }

    /// Bytes read so far.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Whether more may come.
    pub(super) fn is_open(&self) -> bool {
        self.pipe.is_some() || !self.rest.is_empty() || !self.line.is_empty()
    }

    /// Reads no more.
    pub(super) fn close(&mut self) {
        self.pipe = None;
    }

    /// The next line or part of one; reads the pipe at most once. Safe to cancel.
    pub(super) async fn next(&mut self) -> Piece {
        if let Some(line) = self.split() {
            return Piece::Line(line);
        }
        let Some(pipe) = &mut self.pipe else {
            return if self.line.is_empty() && !self.truncated {
                Piece::End
            } else {
                Piece::Line(self.take())
            };
        };
        match pipe.read(&mut self.chunk).await {
            Ok(n) if n > 0 => {
                self.read += n as u64;
                self.rest = 0..n;
                self.split().map_or(Piece::Part, Piece::Line)
            }
            // A read error on a pipe of ours means that there is nothing more to be had.
            _ => {
                self.pipe = None;
                if self.line.is_empty() && !self.truncated { Piece::End } else { Piece::Line(self.take()) }
            }
        }
    }

    /// Moves bytes from the chunk into the line, up to and including a newline.
    fn split(&mut self) -> Option<Output> {
        let fresh = &self.chunk[self.rest.clone()];
        let newline = fresh.iter().position(|b| *b == b'\n');
        let part = &fresh[..newline.unwrap_or(fresh.len())];
        let room = self.max_line - self.line.len();
        self.truncated |= part.len() > room;
        self.line.extend_from_slice(&part[..part.len().min(room)]);
        self.rest.start = newline.map_or(self.rest.end, |at| self.rest.start + at + 1);
        newline.map(|_| self.take())
    }

    fn take(&mut self) -> Output {
        Output {
            stream: self.stream,
            line: std::mem::take(&mut self.line),
            truncated: std::mem::take(&mut self.truncated),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::unix::pipe::pipe;

    async fn lines(parts: &[&[u8]], max_line: usize) -> Vec<(Vec<u8>, bool)> {
        let (mut to, from) = pipe().expect("a pipe");
        let mut lines = Lines::new(from, Stream::Stdout, max_line);
        for part in parts {
            to.write_all(part).await.expect("room in the pipe");
        }
        drop(to);
        let mut found = Vec::new();
        loop {
            match lines.next().await {
                Piece::Line(output) => found.push((output.line, output.truncated)),
                Piece::Part => {}
                Piece::End => return found,
            }
        }
    }

    #[tokio::test]
    async fn lines_are_split_whatever_the_pieces() {
        let found = lines(&[b"a\n\nbc", b"d\nlast"], 100).await;
        let expected: Vec<(Vec<u8>, bool)> =
            [&b"a"[..], b"", b"bcd", b"last"].map(|l| (l.to_vec(), false)).into();
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn a_long_line_loses_its_end_and_the_next_one_is_whole() {
        let found = lines(&[b"12345", b"678\nok\n9999"], 4).await;
        assert_eq!(found, [(b"1234".to_vec(), true), (b"ok".to_vec(), false), (b"9999".to_vec(), false)]);
        assert_eq!(lines(&[b"12345"], 0).await, [(Vec::new(), true)]);
    }
}
