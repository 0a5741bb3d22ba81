//! Mapped files, and the allocator of short-lived programs.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::process::Alone;
use crate::{BorrowedFd, Call, Errno, Fault, Result, file, syscall};

const PROT_READ: usize = 1;
const PROT_WRITE: usize = 2;
const MAP_SHARED: usize = 1;
const MAP_PRIVATE: usize = 2;
const MAP_ANONYMOUS: usize = 0x20;

impl Alone {
    /// Maps the file that the program itself is executed from read-only, for the rest of its life.
    ///
    /// # Errors
    /// As mmap(2).
    pub fn map_program(&self, fd: BorrowedFd<'_>) -> Result<&'static [u8]> {
        let length = file::status(fd)?.size as usize;
        // SAFETY: the kernel picks the place; a new mapping aliases nothing.
        let start =
            unsafe { syscall!(Mmap, MMAP, 0, length, PROT_READ, MAP_PRIVATE, fd.raw(), 0) }?;
        // SAFETY: the mapping is `length` bytes long and never unmapped. Who vouches for the program vouches for the file
        // that it is: whatever could change this could change the code that runs.
        Ok(unsafe { core::slice::from_raw_parts(start as *const u8, length) })
    }
}

/// Rows of numbers in memory of this program alone, all 0; pages are only used once they are written. Unmapped when dropped.
#[derive(Debug)]
pub struct Numbers {
    start: usize,
    count: usize,
}

/// One row.
pub type Row = core::cell::Cell<[u64; 3]>;

impl Numbers {
    /// Room for `count` rows.
    pub fn map(count: usize) -> Result<Numbers> {
        let too_long = Fault::found(Call::Mmap, Errno::ENOMEM);
        let start = map_anonymous(count.checked_mul(size_of::<Row>()).ok_or(too_long)?)?;
        Ok(Numbers { start, count })
    }

    /// A row, if there is room for it.
    pub fn row(&self, index: usize) -> Option<&Row> {
        // SAFETY: in bounds of the live, zeroed, page-aligned mapping, to which nobody else refers.
        (index < self.count).then(|| unsafe { &*(self.start as *const Row).add(index) })
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing borrows from it any more.
        let _ = unsafe { syscall!(Munmap, MUNMAP, self.start, self.count * size_of::<Row>()) };
    }
}

/// 32-bit words of a file that another process reads; unmapped when dropped.
#[derive(Debug)]
pub struct SharedWords {
    start: usize,
    count: usize,
}

impl SharedWords {
    /// Maps the first `count` words of a file that is at least that long, and whose space is allocated: what cannot be
    /// allocated when it is touched ends the program (SIGBUS).
    pub fn map(fd: BorrowedFd<'_>, count: usize) -> Result<SharedWords> {
        let too_long = Fault::found(Call::Mmap, Errno::ENOMEM);
        let length = count.checked_mul(4).ok_or(too_long)?;
        // SAFETY: the kernel picks the place; a new mapping aliases nothing.
        let start = unsafe {
            syscall!(
                Mmap,
                MMAP,
                0,
                length,
                PROT_READ | PROT_WRITE,
                MAP_SHARED,
                fd.raw(),
                0
            )
        }?;
        Ok(SharedWords { start, count })
    }

    fn word(&self, index: usize) -> &AtomicU32 {
        assert!(index < self.count);
        // SAFETY: in bounds of a live, page-aligned mapping; other processes access it, hence atomics.
        unsafe { &*((self.start + index * 4) as *const AtomicU32) }
    }

    /// Writes the words `2 * pair` and the next as one number, where there are so many.
    pub fn stamp(&self, pair: usize, value: u64) {
        if let Some(words) = self.pair(pair) {
            words.store(value, Ordering::Relaxed);
        }
    }

    fn pair(&self, pair: usize) -> Option<&AtomicU64> {
        // SAFETY: in bounds and aligned, as above; these words are never accessed otherwise.
        (pair < self.count / 2).then(|| unsafe { &*((self.start + pair * 8) as *const AtomicU64) })
    }

    /// Writes one word; earlier writes of this process are seen by whoever reads it.
    pub fn store(&self, index: usize, value: u32) {
        self.word(index).store(value, Ordering::Release);
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing borrows from it any more.
        let _ = unsafe { syscall!(Munmap, MUNMAP, self.start, self.count * 4) };
    }
}

const CLASSES: usize = 24;
const SMALLEST: u32 = 4; // blocks of 16 bytes
const CHUNK: usize = 64 * 1024;

/// An allocator for programs that live for milliseconds: it hands out memory from 64 KiB chunks in sizes of powers of
/// two and keeps freed blocks in lists by size. Small, predictable, and without anything to initialise.
#[derive(Debug)]
pub struct ShortLived {
    locked: AtomicBool,
    state: UnsafeCell<State>,
    /// Called when there is no memory to be had. It must do without.
    exhausted: Option<fn() -> !>,
}

#[derive(Debug)]
struct State {
    next: usize,
    end: usize,
    free: [*mut u8; CLASSES],
}

// SAFETY: `state` is only touched while `locked` is held.
unsafe impl Sync for ShortLived {}

impl Default for ShortLived {
    fn default() -> Self {
        Self::new()
    }
}

impl ShortLived {
    /// An allocator that has not asked the kernel for anything yet.
    pub const fn new() -> ShortLived {
        ShortLived {
            locked: AtomicBool::new(false),
            state: UnsafeCell::new(State {
                next: 0,
                end: 0,
                free: [null_mut(); CLASSES],
            }),
            exhausted: None,
        }
    }

    /// An allocator for a program that ends in its own way when there is no memory: `exhausted` says so without any.
    pub const fn or_end(exhausted: fn() -> !) -> ShortLived {
        let mut allocator = ShortLived::new();
        allocator.exhausted = Some(exhausted);
        allocator
    }

    fn found(&self, block: *mut u8) -> *mut u8 {
        match self.exhausted {
            Some(end) if block.is_null() => end(),
            _ => block,
        }
    }

    fn with_state<R>(&self, run: impl FnOnce(&mut State) -> R) -> R {
        while self
            .locked
            .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            core::hint::spin_loop();
        }
        // SAFETY: the lock is held.
        let result = run(unsafe { &mut *self.state.get() });
        self.locked.store(false, Ordering::Release);
        result
    }

    /// The size class of a layout: the power of two that holds its size and alignment.
    fn class(layout: Layout) -> usize {
        let size = layout.size().max(layout.align()).max(1 << SMALLEST);
        (size.next_power_of_two().trailing_zeros() - SMALLEST) as usize
    }
}

pub(crate) fn map_anonymous(length: usize) -> core::result::Result<usize, Fault> {
    // SAFETY: the kernel picks the place; a new mapping aliases nothing.
    unsafe {
        syscall!(
            Mmap,
            MMAP,
            0,
            length,
            PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS,
            usize::MAX,
            0
        )
    }
}

impl State {
    fn take(&mut self, class: usize) -> *mut u8 {
        let head = self.free[class];
        if !head.is_null() {
            // SAFETY: a free block holds the pointer to the next one in its first word.
            self.free[class] = unsafe { head.cast::<*mut u8>().read() };
            return head;
        }
        let size = 1usize << (class as u32 + SMALLEST);
        let mut start = self.next.next_multiple_of(size.min(4096));
        if start + size > self.end || self.next == 0 {
            let Ok(chunk) = map_anonymous(CHUNK.max(size)) else {
                return null_mut();
            };
            if size >= CHUNK {
                return chunk as *mut u8;
            }
            start = chunk;
            self.end = chunk + CHUNK;
        }
        self.next = start + size;
        start as *mut u8
    }
}

// SAFETY: blocks are disjoint, at least as large and aligned as their class (pages at most, which no layout here exceeds:
// larger alignments are refused), and returned to the list of the same class.
unsafe impl GlobalAlloc for ShortLived {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let class = Self::class(layout);
        if layout.align() > 4096 {
            return self.found(null_mut());
        }
        if class >= CLASSES {
            let block = map_anonymous(layout.size()).map_or(null_mut(), |start| start as *mut u8);
            return self.found(block);
        }
        self.found(self.with_state(|state| state.take(class)))
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let class = Self::class(layout);
        if class >= CLASSES {
            // SAFETY: the block is a mapping of its own.
            let _ = unsafe { syscall!(Munmap, MUNMAP, block, layout.size()) };
            return;
        }
        self.with_state(|state| {
            // SAFETY: the block is free and at least 16 bytes long.
            unsafe { block.cast::<*mut u8>().write(state.free[class]) };
            state.free[class] = block;
        });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches that size and alignment form a layout.
        let requested = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if Self::class(layout) == Self::class(requested) && Self::class(layout) < CLASSES {
            return block;
        }
        // SAFETY: as for `alloc`, `copy` of the smaller size between disjoint blocks, and `dealloc`.
        unsafe {
            let new = self.alloc(requested);
            if !new.is_null() {
                core::ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_disjoint_and_reused() {
        let allocator = ShortLived::new();
        let mut blocks = Vec::new();
        for (index, size) in [1usize, 16, 17, 100, 4096, 5000, 70_000, 1 << 20]
            .into_iter()
            .cycle()
            .take(if cfg!(miri) { 16 } else { 400 })
            .enumerate()
        {
            let layout = Layout::from_size_align(size, 1 << (index % 8)).unwrap();
            // SAFETY: the layout has a size; the block is written within its bounds.
            let block = unsafe { allocator.alloc(layout) };
            assert_eq!(block as usize % layout.align(), 0);
            // SAFETY: as above.
            unsafe { block.write_bytes(index as u8, size) };
            blocks.push((block, layout, index as u8));
        }
        for (block, layout, mark) in &blocks {
            // SAFETY: the block is still ours and was written.
            let bytes = unsafe { core::slice::from_raw_parts(*block, layout.size()) };
            assert!(bytes.iter().all(|byte| byte == mark));
        }
        let (first, layout, _) = blocks[0];
        // SAFETY: freed once, and asked for again.
        unsafe {
            allocator.dealloc(first, layout);
            assert_eq!(allocator.alloc(layout), first);
        }
    }

    #[test]
    fn alignments_beyond_a_page_are_refused() {
        let layout = Layout::from_size_align(1, 1 << 13).unwrap();
        // SAFETY: the layout has a size.
        assert!(unsafe { ShortLived::new().alloc(layout) }.is_null());
    }

    #[test]
    fn more_words_than_there_are_numbers_are_not_mapped() {
        let file = file::memory_file(c"map", false).unwrap();
        let refused = SharedWords::map(file.borrow(), usize::MAX / 4 + 2).unwrap_err();
        assert_eq!(refused, Fault::found(Call::Mmap, Errno::ENOMEM));
    }

    #[test]
    fn growing_keeps_the_content() {
        let allocator = ShortLived::new();
        let layout = Layout::from_size_align(24, 8).unwrap();
        // SAFETY: blocks are used within their sizes.
        unsafe {
            let block = allocator.alloc(layout);
            block.write_bytes(7, 24);
            let grown = allocator.realloc(block, layout, 1 << 26);
            assert!(
                core::slice::from_raw_parts(grown, 24)
                    .iter()
                    .all(|byte| *byte == 7)
            );
            allocator.dealloc(grown, Layout::from_size_align(1 << 26, 8).unwrap());
        }
    }
}
