//! The tar reader: it neither panics nor loops, and what it passes on keeps its promises.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_image::Limits;
use tare_image::tar::{Entry, Reader};

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    // Small pieces, so that everything is split somewhere.
    let input = std::io::BufReader::with_capacity(700, data);
    let mut reader = Reader::new(input, limits.clone());
    let mut entry = Entry::default();
    let mut entries = 0;
    while let Ok(true) = reader.next(&mut entry) {
        entries += 1;
        assert!(entries <= data.len() / 512, "an entry is at least a block");
        assert!(!entry.path.contains(&0) && entry.path.len() <= limits.path_bytes);
        assert!(!entry.link.contains(&0) && entry.link.len() <= limits.path_bytes);
        let mut read = 0u64;
        loop {
            let Ok(piece) = reader.data() else { return };
            let n = piece.len();
            if n == 0 {
                break;
            }
            read += n as u64;
            reader.consume(n);
        }
        match &entry.sparse {
            None => assert_eq!(read, entry.size),
            Some(segments) => {
                assert_eq!(read, segments.iter().map(|s| s.length).sum::<u64>());
                let mut end = 0;
                for segment in segments {
                    assert!(segment.offset >= end);
                    end = segment.offset + segment.length;
                }
                assert!(end <= entry.size);
            }
        }
    }
});
