//! An endpoint: method, path, who may use it, and a function from what is asked to what is answered. The types of that
//! function make both the route and its page in the OpenAPI document, so that the two cannot differ.

use std::{future::Future, pin::Pin, sync::Arc};

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Method, request};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::{
    Desk,
    ask::{self, Answer, Ask, Body},
    clearance::{Secrecy, Tell},
    guard::Guard,
    refusal::Refusal,
    tokens::{Caller, Role},
};

/// A request as it arrived, with the parameters of its path.
pub(super) struct Arrived {
    pub(super) head: request::Parts,
    pub(super) path: Vec<(String, String)>,
    pub(super) body: Bytes,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send>>;
type Call = dyn Fn(Desk, Caller, Arrived) -> Answering + Send + Sync;

/// One method of one path.
#[derive(Clone)]
pub(super) struct Endpoint {
    /// The method.
    pub(super) method: Method,
    /// The path, with its parameters in braces.
    pub(super) path: &'static str,
    /// What it does, in a sentence.
    pub(super) about: &'static str,
    /// Who may use it; `None` for everybody who reaches the port.
    pub(super) role: Option<Role>,
    /// Whether its answer is for everybody who may ask.
    pub(super) secrecy: Secrecy,
    /// Whether it is answered however much else is under way.
    pub(super) urgent: bool,
    /// What goes in and comes out.
    pub(super) shape: Shape,
    call: Arc<Call>,
}

/// What goes in and comes out.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// The parameters of path and query, as an object.
    pub(super) parameters: fn(&mut SchemaGenerator) -> Schema,
    /// The body, if there is one.
    pub(super) body: fn(&mut SchemaGenerator) -> Option<Schema>,
    /// The media types that the body may have.
    pub(super) body_media: &'static [&'static str],
    /// The answer.
    pub(super) answer: fn(&mut SchemaGenerator) -> Option<Schema>,
    /// The answer's media type.
    pub(super) answer_media: &'static str,
}

/// An endpoint without its function.
pub(super) struct Draft {
    method: Method,
    path: &'static str,
    about: &'static str,
    role: Option<Role>,
    secrecy: Secrecy,
    urgent: bool,
}

/// Begins an endpoint that reads.
pub(super) const fn get(path: &'static str, about: &'static str) -> Draft {
    Draft {
        method: Method::GET,
        path,
        about,
        role: Some(Role::Observer),
        secrecy: Secrecy::Open,
        urgent: false,
    }
}

/// Begins an endpoint that does something.
pub(super) const fn post(path: &'static str, about: &'static str) -> Draft {
    Draft {
        method: Method::POST,
        path,
        about,
        role: Some(Role::Facilitator),
        secrecy: Secrecy::Open,
        urgent: false,
    }
}

/// Begins an endpoint that puts something in place of what is there.
pub(super) const fn put(path: &'static str, about: &'static str) -> Draft {
    Draft {
        method: Method::PUT,
        path,
        about,
        role: Some(Role::Facilitator),
        secrecy: Secrecy::Open,
        urgent: false,
    }
}

/// Begins an endpoint that takes something away.
pub(super) const fn delete(path: &'static str, about: &'static str) -> Draft {
    Draft {
        method: Method::DELETE,
        path,
        about,
        role: Some(Role::Facilitator),
        secrecy: Secrecy::Open,
        urgent: false,
    }
}

impl Draft {
    /// Lets this role use it too. Otherwise observers read and facilitators change.
    #[must_use]
    pub(super) const fn by(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// Lets everybody use it.
    #[must_use]
    pub(super) const fn by_all(mut self) -> Self {
        self.role = None;
        self
    }

    /// Keeps its answer from those who may not know everything: for good, or until no drill runs.
    #[must_use]
    pub(super) const fn kept(mut self, secrecy: Secrecy) -> Self {
        self.secrecy = secrecy;
        self
    }

    /// Answers it however much else is under way.
    #[must_use]
    pub(super) const fn urgent(mut self) -> Self {
        self.urgent = true;
        self
    }

    /// Gives it its function.
    pub(super) fn does<P, B, A>(self, f: fn(&Desk, &Ask<P, B>) -> Result<A, Refusal>) -> Endpoint
    where
        P: DeserializeOwned + JsonSchema + Send + 'static,
        B: Body + Send + 'static,
        A: Answer + Send + 'static,
    {
        self.awaits(move |desk, ask| std::future::ready(f(&desk, &ask)))
    }

    /// Gives it its function, where that has to wait for something.
    pub(super) fn awaits<P, B, A, F, T>(self, f: F) -> Endpoint
    where
        P: DeserializeOwned + JsonSchema + Send + 'static,
        B: Body + Send + 'static,
        A: Answer + Send + 'static,
        F: Fn(Desk, Ask<P, B>) -> T + Send + Sync + 'static,
        T: Future<Output = Result<A, Refusal>> + Send + 'static,
    {
        let Self {
            method,
            path,
            about,
            role,
            secrecy,
            urgent,
        } = self;
        let shape = Shape {
            parameters: P::json_schema,
            body: B::schema,
            body_media: B::MEDIA,
            answer: A::schema,
            answer_media: A::MEDIA,
        };
        let call = move |desk: Desk, caller: Caller, arrived: Arrived| -> Answering {
            let role = caller.role;
            match arrived.ask(caller) {
                Ok(ask) => {
                    let answer = f(desk.clone(), ask);
                    Box::pin(async move {
                        let answer = answer.await?;
                        let clearance = desk.clearance(role);
                        Ok(match clearance.is_full() {
                            true => answer.send(),
                            false => answer.told(clearance).send(),
                        })
                    })
                }
                Err(refusal) => Box::pin(std::future::ready(Err(refusal))),
            }
        };
        Endpoint {
            method,
            path,
            about,
            role,
            secrecy,
            urgent,
            shape,
            call: Arc::new(call),
        }
    }
}

impl Arrived {
    fn ask<P: DeserializeOwned, B: Body>(&self, caller: Caller) -> Result<Ask<P, B>, Refusal> {
        let at = ask::parameters(&self.path, self.head.uri.query().unwrap_or_default())?;
        let body = ask::body(&self.head.headers, &self.body)?;
        Ok(Ask { caller, at, body })
    }
}

impl Endpoint {
    /// Answers a request that the guard lets pass.
    pub(super) async fn answer(&self, desk: Desk, guard: &Guard, arrived: Arrived) -> Response {
        let caller = match self.role {
            Some(role) => guard.caller(&arrived.head, role),
            None => Ok(Caller {
                name: "anybody".to_owned(),
                role: Role::Observer,
            }),
        };
        let caller = match caller {
            Ok(caller) => caller,
            Err(refusal) => return refusal.into_response(),
        };
        let clearance = desk.clearance(caller.role);
        let answer = match self.secrecy.allows(clearance, desk.is_drilling()) {
            Ok(()) => (self.call)(desk, caller, arrived).await,
            Err(refusal) => Err(refusal),
        };
        answer.unwrap_or_else(|refusal| match clearance.is_full() {
            true => refusal.into_response(),
            false => refusal.told(clearance).into_response(),
        })
    }
}
