//! Gzip answers out of pieces that were compressed before.
//!
//! A piece is raw deflate data that refers to nothing outside of it and ends at a byte boundary
//! (RFC 1951: a flush appends an empty stored block). Pieces behind one another are one deflate
//! stream; checksums of pieces combine to that of the whole. So a gzip answer is one ordinary
//! member, and costs little more than copying where pieces are kept.

use flate2::{Compress, Compression, Crc, FlushCompress};
use std::hash::BuildHasher;
use std::sync::Arc;

/// Magic, deflate, no flags, no time, no hints, unknown system (RFC 1952, section 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// A last block that is empty, with fixed codes.
const END: [u8; 2] = [3, 0];

/// Some text, compressed.
#[derive(Debug)]
pub struct Piece {
    deflate: Box<[u8]>,
    crc: Crc,
    hash: u64,
}

/// Compresses pieces, keeping its buffers from one to the next.
pub struct Packer {
    compress: Compress,
    plain: Vec<u8>,
    packed: Vec<u8>,
    hasher: foldhash::quality::FixedState,
}

impl Default for Packer {
    fn default() -> Self {
        Packer {
            compress: Compress::new(Compression::new(LEVEL), false),
            plain: Vec::new(),
            packed: Vec::new(),
            hasher: foldhash::quality::FixedState::default(),
        }
    }
}

/// Of 195 MB level 1 leaves 32 and level 2 21, at a third more CPU; higher ones leave 20.
const LEVEL: u32 = 2;

impl Packer {
    /// Compresses what `render` appends, unless `last` is a piece of the same text. `None` for an
    /// empty one.
    pub fn pack(
        &mut self,
        last: Option<Arc<Piece>>,
        render: impl FnOnce(&mut Vec<u8>),
    ) -> Option<Arc<Piece>> {
        self.plain.clear();
        render(&mut self.plain);
        if self.plain.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one(&self.plain[..]);
        let same = |piece: &Arc<Piece>| {
            piece.hash == hash && piece.crc.amount() == self.plain.len() as u32
        };
        match last.filter(same) {
            Some(piece) => Some(piece),
            None => Some(self.piece(hash)),
        }
    }

    /// Compresses what `render` appends, which may be nothing.
    pub fn pack_some(&mut self, render: impl FnOnce(&mut Vec<u8>)) -> Arc<Piece> {
        self.plain.clear();
        render(&mut self.plain);
        self.piece(0)
    }

    fn piece(&mut self, hash: u64) -> Arc<Piece> {
        let mut crc = Crc::new();
        crc.update(&self.plain);
        self.deflate();
        Arc::new(Piece {
            deflate: self.packed.as_slice().into(),
            crc,
            hash,
        })
    }

    fn deflate(&mut self) {
        self.compress.reset();
        self.packed.clear();
        let mut rest = &self.plain[..];
        loop {
            if self.packed.capacity() - self.packed.len() < 64 {
                self.packed.reserve(self.plain.len() / 8 + 1024);
            }
            let before = self.compress.total_in();
            let flush = FlushCompress::Sync;
            let result = self.compress.compress_vec(rest, &mut self.packed, flush);
            rest = &rest[(self.compress.total_in() - before) as usize..];
            let room = self.packed.len() < self.packed.capacity();
            // Deflating memory into memory does not fail; what is there then ends the piece.
            if result.is_err() || rest.is_empty() && room {
                return;
            }
        }
    }
}

/// A gzip member in the making.
#[derive(Default)]
pub struct Member {
    crc: Crc,
}

impl Member {
    /// Appends the beginning.
    pub fn begin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&HEADER);
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: &Piece, out: &mut Vec<u8>) {
        out.extend_from_slice(&piece.deflate);
        self.crc.combine(&piece.crc);
    }

    /// Appends the end.
    pub fn end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&END);
        out.extend_from_slice(&self.crc.sum().to_le_bytes());
        out.extend_from_slice(&self.crc.amount().to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn pieces_are_one_member() {
        let texts = [
            "a\n".to_owned(),
            "kube_pod_info 1\n".repeat(5000),
            "z".to_owned(),
        ];
        let mut packer = Packer::default();
        let mut member = Member::default();
        let mut packed = Vec::new();
        member.begin(&mut packed);
        for text in &texts {
            let piece = packer.pack(None, |out| out.extend_from_slice(text.as_bytes()));
            member.push(&piece.unwrap(), &mut packed);
        }
        member.end(&mut packed);
        let mut decoder = flate2::bufread::GzDecoder::new(&packed[..]);
        let mut plain = String::new();
        decoder.read_to_string(&mut plain).unwrap();
        assert_eq!(plain, texts.concat());
        assert!(
            decoder.into_inner().is_empty(),
            "nothing follows the member"
        );
        assert!(packer.pack(None, |_| ()).is_none());
    }

    #[test]
    fn the_same_text_is_not_compressed_again() {
        let mut packer = Packer::default();
        let mut pack = |last, text: &str| {
            packer
                .pack(last, |out| out.extend_from_slice(text.as_bytes()))
                .unwrap()
        };
        let first = pack(None, "one");
        assert!(Arc::ptr_eq(&first, &pack(Some(first.clone()), "one")));
        assert!(!Arc::ptr_eq(&first, &pack(Some(first.clone()), "two")));
    }
}
