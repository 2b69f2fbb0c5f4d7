//! What a thread lends to the connections that are moving bytes: read buffers, write buffers, header maps.

use std::cell::RefCell;
use std::mem;

use bytes::BytesMut;
use http::HeaderMap;

/// The first read of a message: most heads, and bodies of ordinary pages, fit.
pub(super) const SMALL: usize = 16 * 1024;
/// The reads of a body that has proved bulky. Measured: half the cost of 8 KiB reads, little more to win above.
pub(super) const LARGE: usize = 64 * 1024;
/// How many of a kind a thread keeps: more would only be cold memory.
const KEPT: usize = 64;
/// Bytes of a write buffer that is worth keeping.
const WRITE_KEPT: usize = 32 * 1024;
/// Fields of a header map that is worth keeping.
const FIELDS_KEPT: usize = 128;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool::new()) };
}

struct Pool {
    small: Vec<BytesMut>,
    large: Vec<BytesMut>,
    write: Vec<Vec<u8>>,
    maps: Vec<HeaderMap>,
}

impl Pool {
    const fn new() -> Self {
        Self {
            small: Vec::new(),
            large: Vec::new(),
            write: Vec::new(),
            maps: Vec::new(),
        }
    }
}

/// An empty buffer of at least [`SMALL`] or [`LARGE`] bytes.
pub(super) fn lend_read(large: bool) -> BytesMut {
    let lent = POOL.with_borrow_mut(|pool| if large { pool.large.pop() } else { pool.small.pop() });
    lent.unwrap_or_else(|| BytesMut::with_capacity(if large { LARGE } else { SMALL }))
}

/// Takes a buffer back, unless a body piece still lives in it.
pub(super) fn keep_read(mut buffer: BytesMut) {
    buffer.clear();
    let large = buffer.try_reclaim(LARGE);
    if !large && !buffer.try_reclaim(SMALL) || buffer.capacity() > 2 * LARGE {
        return;
    }
    // At the end of a thread the pool may be gone before its connections.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        let shelf = if large { &mut pool.large } else { &mut pool.small };
        if shelf.len() < KEPT {
            shelf.push(buffer);
        }
    });
}

/// An empty write buffer.
pub(super) fn lend_write() -> Vec<u8> {
    POOL.with_borrow_mut(|pool| pool.write.pop())
        .unwrap_or_else(|| Vec::with_capacity(1024))
}

/// Takes a write buffer back.
pub(super) fn keep_write(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > WRITE_KEPT {
        return;
    }
    buffer.clear();
    let _ = POOL.try_with(|pool| {
        let shelf = &mut pool.borrow_mut().write;
        if shelf.len() < KEPT {
            shelf.push(buffer);
        }
    });
}

/// An empty header map, with room where one is at hand.
pub(super) fn lend_map() -> HeaderMap {
    POOL.with_borrow_mut(|pool| pool.maps.pop())
        .unwrap_or_else(|| HeaderMap::with_capacity(16))
}

/// Takes a spent header map, so that the next message needs no new one.
pub fn recycle(mut headers: HeaderMap) {
    if headers.capacity() == 0 || headers.capacity() > FIELDS_KEPT {
        return;
    }
    headers.clear();
    let _ = POOL.try_with(|pool| {
        let shelf = &mut pool.borrow_mut().maps;
        if shelf.len() < KEPT {
            shelf.push(mem::take(&mut headers));
        }
    });
}
