//! The patterns of a match: read from text once, compiled as they are read, valid ever after.

use std::{fmt, net::IpAddr, str::FromStr};

use http::Uri;
use ipnet::IpNet;

use super::glob::{Case, Glob};
use crate::units::{BadUnit, as_text};

/// Text in which `*` stands for any run: `test-*`. With `!` in front it holds where nothing is of that form: `!test-*`;
/// `*` holds for whatever is there and `!*` where nothing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    glob: Glob,
    negated: bool,
}

/// The path of a request, where `*` is any run within a segment and `**` any run: `/orders/*/items`. `/orders/**` holds
/// for `/orders` too. It is compared as it was sent, with its percent signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: Box<str>,
    glob: Glob,
}

/// A host name, exact or with `*`: `shop.example.com`, `*.example.com`. Capitals and the port do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    text: Box<str>,
    glob: Glob,
}

/// A gRPC service, or one of its methods: `orders.v1.Orders`, `orders.v1.Orders/Place`, `orders.*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcPattern {
    text: Box<str>,
    glob: Glob,
}

/// A network or one address: `10.0.0.0/8`, `10.1.2.3`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Pattern {
    /// Whether the values that are there (none where the thing is absent) are as the pattern asks.
    pub fn holds<'a>(&self, mut values: impl Iterator<Item = &'a [u8]>) -> bool {
        values.any(|value| self.glob.matches(value)) != self.negated
    }

    /// Whether it holds where nothing is of its form.
    pub(super) const fn is_negated(&self) -> bool {
        self.negated
    }

    /// Whether nothing is as both ask.
    pub(super) fn is_apart(&self, other: &Self, there: Values) -> bool {
        match (self.negated, other.negated) {
            (false, false) => there == Values::One && self.glob.is_apart(&other.glob),
            (false, true) => other.glob.covers(&self.glob),
            (true, false) => self.glob.covers(&other.glob),
            (true, true) => false,
        }
    }

    /// Whether whatever is as the other asks is as this one asks.
    pub(super) fn covers(&self, other: &Self, there: Values) -> bool {
        match (self.negated, other.negated) {
            (false, false) => self.glob.covers(&other.glob),
            (false, true) => false,
            (true, false) => there == Values::One && self.glob.is_apart(&other.glob),
            (true, true) => other.glob.covers(&self.glob),
        }
    }
}

/// How many values there may be of what a pattern is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// One at most.
    One,
    /// Several.
    Many,
}

impl FromStr for Pattern {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let negated = text.starts_with('!');
        Ok(Self {
            glob: Glob::text(text.strip_prefix('!').unwrap_or(text), Case::Counts),
            text: text.into(),
            negated,
        })
    }
}

impl PathPattern {
    /// Whether the path is of this form.
    pub fn holds(&self, path: &str) -> bool {
        self.glob.matches(path.as_bytes())
    }

    /// How every such path begins.
    pub(super) fn start(&self) -> &[u8] {
        self.glob.start()
    }

    /// Its form.
    pub(super) const fn glob(&self) -> &Glob {
        &self.glob
    }
}

impl FromStr for PathPattern {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        if !text.starts_with(['/', '*']) {
            return Err(BadUnit::new(format!(
                "`{text}` is no path: it must begin with `/`, as in `/{text}`"
            )));
        }
        if text.contains(['?', '#']) {
            return Err(BadUnit::new(format!(
                "`{text}` is no path: what follows `?` is matched by `query`"
            )));
        }
        Ok(Self {
            text: text.into(),
            glob: Glob::path(text),
        })
    }
}

impl HostPattern {
    /// Whether the host, written without its port, is of this form.
    pub fn holds(&self, host: &str) -> bool {
        self.glob.matches(host.as_bytes())
    }

    /// Its form.
    pub(super) const fn glob(&self) -> &Glob {
        &self.glob
    }
}

impl FromStr for HostPattern {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let plain = text.replace('*', "x");
        match plain.parse::<Uri>().ok().as_ref().and_then(Uri::authority) {
            Some(host) if host.port().is_some() => Err(BadUnit::new(format!(
                "`{text}` is no host: leave the port out, it does not count"
            ))),
            // No host begins so: whoever writes it means all others.
            Some(host) if host.host() == plain && !text.starts_with('!') => Ok(Self {
                text: text.into(),
                glob: Glob::text(text, Case::Ignored),
            }),
            _ => Err(BadUnit::new(format!(
                "`{text}` is no host: write it as `shop.example.com` or `*.example.com`"
            ))),
        }
    }
}

impl GrpcPattern {
    /// Whether the path of a gRPC request calls what the pattern names.
    pub fn holds(&self, path: &str) -> bool {
        self.glob.matches(path.as_bytes())
    }

    /// How every such path begins.
    pub(super) fn start(&self) -> &[u8] {
        self.glob.start()
    }

    /// Its form.
    pub(super) const fn glob(&self) -> &Glob {
        &self.glob
    }
}

impl FromStr for GrpcPattern {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let (service, method) = text.split_once('/').unwrap_or((text, "*"));
        if service.is_empty() || method.is_empty() || method.contains('/') {
            return Err(BadUnit::new(format!(
                "`{text}` is no gRPC method: write it as `package.Service` or `package.Service/Method`"
            )));
        }
        Ok(Self {
            text: text.into(),
            glob: Glob::path(&format!("/{service}/{method}")),
        })
    }
}

impl Network {
    /// Whether the address lies within; an IPv4 address that comes in the form of an IPv6 one is still itself.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether the other lies within.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }
}

impl FromStr for Network {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        let net = address.or_else(|_| text.parse::<IpNet>()).map_err(|_| {
            BadUnit::new(format!(
                "`{text}` is no network: write it as `10.0.0.0/8` or `10.1.2.3`"
            ))
        })?;
        Ok(Self(net))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for GrpcPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
    }
}

as_text! {
    Pattern, "Pattern", r"";
    PathPattern, "PathPattern", r"^[/*][^?#]*$";
    HostPattern, "HostPattern", r"^[^/?#@ ]+$";
    GrpcPattern, "GrpcPattern", r"^[^/]+(/[^/]+)?$";
    Network, "Network", r"^[0-9a-fA-F.:]+(/[0-9]{1,3})?$";
}
