//! Which path means what.

use std::borrow::Cow;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::reply::Reply;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Version,
    Proxies,
    Populate,
    Reset,
    Proxy(String),
    Toxics(String),
    Toxic(String, String),
}

/// The first words of all paths.
const WORDS: [&str; 4] = ["version", "proxies", "populate", "reset"];

/// Whether a path is one of Toxiproxy's API, rather than of ours.
pub fn owns(path: &str) -> bool {
    let decoded = decode(path);
    let first = decoded.split('/').find(|part| !part.is_empty());
    first.is_some_and(|first| WORDS.contains(&first))
}

fn decode(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8_lossy()
}

/// What may stand in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A toxic as it is known to whoever set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The name of its proxy.
    pub proxy: String,
    /// Its name.
    pub toxic: String,
    /// Where the API has it.
    pub path: String,
}

/// The toxic that a fault of this name is.
pub fn toxic_of(fault: &str) -> Option<Known> {
    let (proxy, toxic) = fault.split_once('/')?;
    let (proxy, toxic) = (decode(proxy), decode(toxic));
    let part = |name| utf8_percent_encode(name, PLAIN);
    let path = format!("/proxies/{}/toxics/{}", part(&proxy), part(&toxic));
    Some(Known {
        path,
        proxy: proxy.into_owned(),
        toxic: toxic.into_owned(),
    })
}

/// Finds what a request is about, or answers it. A path is taken apart before it is decoded, so that a name with `/` in it is
/// reached as `a%2Fb`.
pub(super) fn find(method: &Method, path: &str) -> Result<Route, Reply> {
    if path.contains("//") {
        return Err(Reply::moved(without_empty_parts(path)));
    }
    let parts: Vec<Cow<'_, str>> = path.split('/').skip(1).map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(|part| &**part).collect();
    let route = match parts[..] {
        ["version"] => Route::Version,
        ["proxies"] => Route::Proxies,
        ["populate"] => Route::Populate,
        ["reset"] => Route::Reset,
        ["proxies", proxy] if !proxy.is_empty() => Route::Proxy(proxy.to_owned()),
        ["proxies", proxy, "toxics"] => Route::Toxics(proxy.to_owned()),
        ["proxies", proxy, "toxics", toxic] if !toxic.is_empty() => {
            Route::Toxic(proxy.to_owned(), toxic.to_owned())
        }
        _ => return Err(Reply::unknown()),
    };
    match route.takes(method) {
        true => Ok(route),
        false => Err(Reply::wrong_method()),
    }
}

fn without_empty_parts(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let mut clean = parts.fold(String::new(), |clean, part| clean + "/" + part);
    if path.ends_with('/') {
        clean.push('/');
    }
    clean
}

impl Route {
    fn takes(&self, method: &Method) -> bool {
        let methods: &[Method] = match self {
            Self::Version => &[Method::GET],
            Self::Proxies | Self::Toxics(_) => &[Method::GET, Method::POST],
            Self::Populate | Self::Reset => &[Method::POST],
            Self::Proxy(_) | Self::Toxic(..) => &[Method::GET, Method::POST, Method::PATCH, Method::DELETE],
        };
        methods.contains(method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_one_thing_and_takes_its_methods() {
        let status = |method: Method, path: &str| find(&method, path).err().map_or(200, |reply| reply.status);
        assert_eq!(
            find(&Method::GET, "/proxies/sp%20ace"),
            Ok(Route::Proxy("sp ace".into()))
        );
        assert_eq!(
            find(&Method::DELETE, "/proxies/a%2Fb/toxics/%2f"),
            Ok(Route::Toxic("a/b".into(), "/".into()))
        );
        assert_eq!(status(Method::GET, "/proxies/"), 404);
        assert_eq!(status(Method::GET, "/proxies/a/toxics/"), 404);
        assert_eq!(status(Method::GET, "/reset"), 405);
        assert_eq!(status(Method::HEAD, "/version"), 405);
        assert_eq!(status(Method::PATCH, "/proxies/a/toxics/b"), 200);
        let moved = find(&Method::GET, "//proxies///a/").unwrap_err();
        assert_eq!(
            (moved.status, moved.location.as_deref()),
            (301, Some("/proxies/a/"))
        );
    }

    #[test]
    fn its_paths_are_told_from_ours() {
        for path in [
            "/version",
            "/proxies",
            "/proxies/",
            "//proxies",
            "/proxies/a/b/c",
            "/p%72oxies",
        ] {
            assert!(owns(path), "{path}");
        }
        for path in ["/", "/api/v1/status", "/metrics", "/versions", "/nope", ""] {
            assert!(!owns(path), "{path}");
        }
    }

    #[test]
    fn a_fault_is_known_as_the_toxic_that_it_is() {
        let known = toxic_of("team%2Fredis 100%25/l2").unwrap();
        assert_eq!((&*known.proxy, &*known.toxic), ("team/redis 100%", "l2"));
        assert_eq!(
            find(&Method::DELETE, &known.path),
            Ok(Route::Toxic(known.proxy, known.toxic))
        );
        assert_eq!(toxic_of("mine"), None);
    }
}
