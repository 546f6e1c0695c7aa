//! The allocator of the worker process: the system's, but a worker that cannot get memory ends with
//! an exit code that says so.

use std::alloc::{GlobalAlloc, Layout, System};

use vultus_worker_protocol::EXIT_OUT_OF_MEMORY;

/// The system's allocator. Ends the process where it would return no memory.
#[derive(Debug)]
pub struct EndsWhenExhausted;

// SAFETY: every call goes to the system's allocator with the caller's arguments.
unsafe impl GlobalAlloc for EndsWhenExhausted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        given(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        given(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        given(unsafe { System.realloc(memory, layout, size) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn given(memory: *mut u8) -> *mut u8 {
    if memory.is_null() {
        // SAFETY: ends the process without running any code that could allocate.
        unsafe { libc::_exit(EXIT_OUT_OF_MEMORY) }
    }
    memory
}
