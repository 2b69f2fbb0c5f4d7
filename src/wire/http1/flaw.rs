//! What can be wrong with a message, and what can go wrong while one is read or written.

use std::io;

use http::StatusCode;

/// What makes a message unreadable or unacceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Flaw {
    /// A line that ends with a bare CR or LF (RFC 9112 section 2.2).
    #[error("a line does not end with CRLF")]
    LineEnd,
    /// The first line is not `method SP target SP version`, or `version SP status SP reason`.
    #[error("the first line is malformed")]
    FirstLine,
    /// The method is no token.
    #[error("the method is malformed")]
    Method,
    /// The target is none of the four forms, or does not suit the method.
    #[error("the request target is malformed")]
    Target,
    /// A version other than 1.0 and 1.1.
    #[error("the HTTP version is not supported")]
    Version,
    /// A folded line (RFC 9112 section 5.2).
    #[error("a field is folded over several lines")]
    Folding,
    /// A field name that is no token; white space before the colon is the usual cause.
    #[error("a field name is malformed")]
    FieldName,
    /// A control character in a field value.
    #[error("a field value is malformed")]
    FieldValue,
    /// No `Host`, several, or one that is no authority.
    #[error("there is not exactly one valid Host field")]
    Host,
    /// `Transfer-Encoding` beside `Content-Length` (RFC 9112 section 6.3): the classic way to smuggle a request.
    #[error("both Transfer-Encoding and Content-Length are given")]
    TwoLengths,
    /// A `Content-Length` that is no number, or given more than once, even with equal values.
    #[error("Content-Length is malformed or repeated")]
    ContentLength,
    /// A transfer coding other than `chunked`.
    #[error("the transfer coding is not supported")]
    TransferCoding,
    /// `Transfer-Encoding` where it cannot be: `chunked` not last or repeated, or in HTTP/1.0.
    #[error("Transfer-Encoding is malformed or misplaced")]
    TransferEncoding,
    /// An expectation other than `100-continue`.
    #[error("the expectation is not supported")]
    Expectation,
    /// `CONNECT`, where it is not allowed.
    #[error("CONNECT is not supported")]
    Connect,
    /// A first line over its limit.
    #[error("the request target is too long")]
    TargetTooLong,
    /// A head over its limit, in bytes or fields.
    #[error("the head is too large")]
    HeadTooLarge,
    /// A body over its limit.
    #[error("the body is too large")]
    BodyTooLarge,
    /// A chunk whose size is no hexadecimal number of at most 16 digits, or whose extensions are too long or malformed.
    #[error("a chunk's size line is malformed")]
    ChunkSize,
    /// A chunk that is not followed by CRLF.
    #[error("a chunk is longer than its size")]
    ChunkEnd,
    /// Trailers over their limit, or with fields that decide framing.
    #[error("the trailers are malformed or too large")]
    Trailers,
    /// A head that did not come in time: the owner's limit.
    #[error("the request did not come in time")]
    Late,
    /// A status below 100, too many interim answers, or 101 that nobody asked for.
    #[error("the status is malformed or unexpected")]
    Status,
}

impl Flaw {
    /// The status that a client gets for it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::TransferCoding | Self::Connect => StatusCode::NOT_IMPLEMENTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// Why a message did not come or go whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection failed: reset, broken pipe, TLS.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer closed in the middle of a message, or before any of it.
    #[error("the connection was closed before the message ended")]
    Eof,
    /// What came is not HTTP/1.1, or too much.
    #[error(transparent)]
    Garbage(#[from] Flaw),
    /// The body that was to be sent failed at its source.
    #[error("the body could not be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// The body that was to be sent is shorter or longer than its `Content-Length`.
    #[error("the body does not have the length announced")]
    Length,
    /// The exchange that this body belonged to is over.
    #[error("the exchange is over")]
    Over,
}
