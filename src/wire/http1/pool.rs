//! What a thread lends to the connections that are moving bytes: read buffers, write buffers, header maps.

use std::cell::RefCell;
use std::mem;

use bytes::BytesMut;
use http::{HeaderMap, Method, Request, Uri, request};

/// Sizes of read buffers: for heads and small bodies, for ordinary pages, for bulk. Measured on 1 MiB bodies: 64 KiB reads cost
/// half of 8 KiB ones, 256 KiB reads about a tenth less again.
pub(super) const SIZES: [usize; 3] = [16 * 1024, 64 * 1024, 256 * 1024];
/// How many of each size a thread keeps: more would only be cold memory.
const READ_KEPT: [usize; 3] = [64, 64, 16];
/// How many write buffers and header maps a thread keeps.
const KEPT: usize = 64;
/// Bytes of a write buffer that is worth keeping.
const WRITE_KEPT: usize = 32 * 1024;
/// Fields of a header map that is worth keeping.
const FIELDS_KEPT: usize = 128;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool::new()) };
}

struct Pool {
    read: [Vec<BytesMut>; 3],
    write: Vec<Vec<u8>>,
    maps: Vec<HeaderMap>,
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    heads: Vec<Box<request::Parts>>,
}

impl Pool {
    const fn new() -> Self {
        Self {
            read: [const { Vec::new() }; 3],
            write: Vec::new(),
            maps: Vec::new(),
            heads: Vec::new(),
        }
    }
}

/// An empty buffer of this one of [`SIZES`].
pub(super) fn lend_read(level: usize) -> BytesMut {
    let lent = POOL.with_borrow_mut(|pool| pool.read[level].pop());
    lent.unwrap_or_else(|| BytesMut::with_capacity(SIZES[level]))
}

/// Takes a buffer back, unless a body piece still lives in it.
pub(super) fn keep_read(mut buffer: BytesMut) {
    buffer.clear();
    // Lent in vain, which is most often so, it comes back as it went.
    let untouched = SIZES.iter().position(|&size| buffer.capacity() == size);
    let Some(level) = untouched.or_else(|| SIZES.iter().rposition(|&size| buffer.try_reclaim(size))) else {
        return;
    };
    if buffer.capacity() > 2 * SIZES[2] {
        return;
    }
    // At the end of a thread the pool may be gone before its connections.
    let _ = POOL.try_with(|pool| {
        let shelf = &mut pool.borrow_mut().read[level];
        if shelf.len() < READ_KEPT[level] {
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

/// The head of a request without anything in it, with room for fields where one is at hand. It is boxed because it is handed
/// from one to the other often.
pub(super) fn lend_head() -> Box<request::Parts> {
    POOL.with_borrow_mut(|pool| pool.heads.pop()).unwrap_or_else(|| {
        let mut head = Request::new(()).into_parts().0;
        head.headers = HeaderMap::with_capacity(16);
        Box::new(head)
    })
}

/// Takes the head of a request that is over, so that the next one needs no new one.
pub fn recycle_head(mut head: Box<request::Parts>) {
    if head.headers.capacity() > FIELDS_KEPT {
        return;
    }
    head.headers.clear();
    head.extensions.clear();
    (head.uri, head.method) = (Uri::default(), Method::GET);
    let _ = POOL.try_with(|pool| {
        let shelf = &mut pool.borrow_mut().heads;
        if shelf.len() < KEPT {
            shelf.push(head);
        }
    });
}
