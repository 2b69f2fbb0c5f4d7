//! `/populate`: proxies taken in one after the other, until one fails.

use serde::Serialize;

use super::{
    address,
    api::Toxiproxy,
    populate::{self, Asked},
    registry::Proxy,
    reply::{Refusal, Reply},
};

impl Toxiproxy {
    pub(super) async fn answer_populate(&self, body: &[u8]) -> Reply {
        let read = populate::read(body).and_then(|asked| {
            self.check_panic(asked.iter().any(|asked| !asked.toxics.is_empty()))?;
            Ok(asked)
        });
        match read {
            Ok(asked) => {
                let (done, refusal) = self.populate(asked).await;
                Populated::reply(done, refusal)
            }
            Err(refusal) => Populated::reply(Vec::new(), Some(refusal)),
        }
    }

    /// Takes in proxies one after the other until one fails; gives those that were done, and why the next was not.
    pub(super) async fn populate(&self, asked: Vec<Asked>) -> (Vec<Proxy>, Option<Refusal>) {
        let mut done: Vec<Proxy> = Vec::new();
        for asked in asked {
            match self.populate_one(&asked).await {
                Ok(replaced) => {
                    let same = |proxy: &&mut Proxy| replaced && proxy.name == asked.name;
                    done.iter_mut().filter(same).for_each(|proxy| {
                        proxy.up = None;
                        proxy.toxics.clear();
                    });
                    done.extend(self.lock().get(&asked.name).cloned());
                }
                Err(refusal) => return (done, Some(refusal)),
            }
        }
        (done, None)
    }

    /// Takes in one proxy; says whether it took the place of another.
    async fn populate_one(&self, asked: &Asked) -> Result<bool, Refusal> {
        let Ok(before) = self.lock().get(&asked.name).cloned() else {
            if self.is_of_the_document(&asked.name) {
                return Err(Refusal::new(409, "proxy already exists"));
            }
            return self.add(asked).await.map(|()| false);
        };
        let found = address::find(&asked.listen)
            .await
            .map_err(|what| Refusal::new(500, what))?;
        let listens_there = before.asked == asked.listen || before.listen == found.to_string();
        if listens_there && before.upstream == asked.upstream && before.encryption == asked.encryption {
            return Ok(false);
        }
        if asked.enabled {
            self.lock()
                .check_circle(&asked.name, &asked.upstream, (&asked.listen, found))?;
        }
        if before.up.is_some() {
            self.stop(self.copy(), &asked.name).await?;
        }
        self.add(asked).await.map(|()| true)
    }
}

/// What `/populate` answers.
#[derive(Serialize)]
struct Populated<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    proxies: Option<Vec<Proxy>>,
}

impl Populated<'_> {
    fn reply(done: Vec<Proxy>, refusal: Option<Refusal>) -> Reply {
        let status = refusal.as_ref().map(|refusal| refusal.status);
        // Two clients stumble over `null` where nothing was asked for; where it failed they do not look.
        let proxies = (refusal.is_none() || !done.is_empty()).then_some(done);
        let error = refusal.as_ref().map(|refusal| &*refusal.message);
        let populated = Populated {
            error,
            status,
            proxies,
        };
        Reply::json(status.unwrap_or(201), &populated)
    }
}
