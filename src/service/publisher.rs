//! Keep nginx in step with the table: which text runs, and which upstream blocks each text has.
//!
//! A server is live without nginx knowing of it; a block only makes its calls cheaper. So nothing here is in a hurry:
//! the first change goes out at once, then at most one reload in a while, because each reload closes idle client
//! connections.
//!
//! **Invariants:** a text's blocks are known before any worker can run it; one bad block cannot hold up the others; a
//! refused text changes nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::domain::route::{Block, Table, Texts, may_have_block};
use crate::domain::server::Revision;
use crate::domain::upstream::{Origin, Scheme};
use crate::nginx::{self, Nginx, Text};

/// After a text that was no other, so long until the next is made: above the bound most changes change nothing.
const BREATH: Duration = Duration::from_millis(250);
/// With so many workers still finishing streams, reloads get rarer.
const MANY_DRAINING: usize = 4;
/// Texts that some old worker may still run.
const TEXTS_KEPT: usize = 64;

/// How the publisher works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// At most one reload in this time, after the first.
    pub between_reloads: Duration,
    /// Upstream blocks at most; the busiest servers get them.
    pub most_blocks: usize,
    /// Whether https upstreams can have blocks: nginx must know whom to trust.
    pub https: bool,
}

/// What nginx runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Hash of the text that nginx confirmed; none before the first.
    pub live: Option<String>,
    /// Blocks in it.
    pub blocks: usize,
    /// Why the newest wish is not live, in nginx's words.
    pub fault: Option<String>,
    /// Blocks that nginx refused, by origin, and why. Their servers are carried.
    pub refused: BTreeMap<String, String>,
    /// Workers of earlier texts that still finished their streams when this was written.
    pub draining: usize,
    /// The text that nginx confirmed.
    pub text: Option<Arc<str>>,
    /// The register's revision up to which this was tried.
    pub revision: Revision,
}

/// What the publisher follows, and what it tells.
#[derive(Debug)]
pub struct Channels {
    /// The table.
    pub table: watch::Receiver<Arc<Table>>,
    /// Changes when the templates on disk have.
    pub templates: Option<watch::Receiver<u64>>,
    /// Which blocks each text has.
    pub texts: watch::Sender<Arc<Texts>>,
    /// What nginx runs.
    pub status: watch::Sender<Status>,
}

/// Publishes the table's blocks to nginx.
#[derive(Debug)]
pub struct Publisher {
    settings: Settings,
    nginx: Nginx,
    channels: Channels,
    live: Option<(Text, HashSet<Arc<str>>)>,
    order: Vec<String>,
    refused: HashMap<Arc<str>, (Origin, String)>,
}

impl Publisher {
    /// A publisher that has published nothing yet.
    pub fn new(settings: Settings, nginx: Nginx, channels: Channels) -> Self {
        Self {
            settings,
            nginx,
            channels,
            live: None,
            order: Vec::new(),
            refused: HashMap::new(),
        }
    }

    /// Publish until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0_u32;
        loop {
            let reloaded = tokio::select! {
                reloaded = self.publish() => reloaded,
                () = stop.cancelled() => return,
            };
            failures = if self.channels.status.borrow().fault.is_some() {
                failures.saturating_add(1)
            } else {
                0
            };
            let rest = if reloaded { self.rest() } else { BREATH };
            let earliest = Instant::now() + rest;
            // A fault may pass by itself (a port is freed): try again, ever more rarely.
            let retry = Duration::from_secs(5) * 2_u32.saturating_pow(failures.min(6));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.changed() => {}
                () = tokio::time::sleep(retry), if failures > 0 => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(earliest) => {}
            }
        }
    }

    fn rest(&self) -> Duration {
        let draining = u32::try_from(self.nginx.draining() / MANY_DRAINING).unwrap_or(u32::MAX);
        self.settings
            .between_reloads
            .saturating_mul(draining.saturating_add(1))
    }

    async fn changed(&mut self) {
        let table = &mut self.channels.table;
        match &mut self.channels.templates {
            Some(templates) => {
                tokio::select! {
                    changed = table.changed() => if changed.is_err() { std::future::pending().await },
                    changed = templates.changed() => {
                        if changed.is_err() { std::future::pending().await }
                        // New templates may take what the old ones made nginx refuse.
                        self.refused.clear();
                    }
                }
            }
            None if table.changed().await.is_err() => std::future::pending().await,
            None => {}
        }
    }

    /// Make nginx run the wished text; whether it was reloaded.
    async fn publish(&mut self) -> bool {
        let table = Arc::clone(&self.channels.table.borrow_and_update());
        let mut outcome = Ok(false);
        // Each round leaves at least one block out, so it ends.
        for round in 0..4 {
            let blocks = self.wished(&table);
            outcome = self.bring_live(&blocks).await;
            let Err(error) = &outcome else { break };
            if !self.leave_out(error, &blocks, round) {
                break;
            }
        }
        let fault = outcome.as_ref().err().map(ToString::to_string);
        if let Err(error) = &outcome {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "nginx does not run the newest configuration; the one before stays"
            );
        }
        let refused = self
            .refused
            .values()
            .map(|(origin, why)| (origin.to_string(), why.clone()))
            .collect();
        let (live, blocks) = self.live.as_ref().map_or((None, 0), |(text, blocks)| {
            (Some(text.hash.clone()), blocks.len())
        });
        let text = self.shown_text(live.as_deref());
        self.channels.status.send_replace(Status {
            text,
            revision: table.revision,
            live,
            blocks,
            fault,
            refused,
            draining: self.nginx.draining(),
        });
        outcome.unwrap_or(false)
    }

    /// The live text for whoever wants to read it; copied when it is another one.
    fn shown_text(&self, live: Option<&str>) -> Option<Arc<str>> {
        let before = self.channels.status.borrow();
        if before.live.as_deref() == live {
            return before.text.clone();
        }
        self.live.as_ref().map(|(text, _)| text.body.as_str().into())
    }

    /// The blocks that should be there: of the busiest trusted servers, in a stable order.
    fn wished(&self, table: &Table) -> Vec<(Origin, Block)> {
        let mut calls: HashMap<&Origin, u64> = HashMap::new();
        for route in table.routes.values().filter(|route| route.server.trusted) {
            let origin = route.server.profile.proxy_pass_url.origin();
            *calls.entry(origin).or_default() += route.calls();
        }
        // Only what can have a block takes a place of the bound.
        let possible = |(origin, calls): (&Origin, u64)| {
            let by_nginx = may_have_block(origin) && (self.settings.https || origin.scheme == Scheme::Http);
            let block = table
                .blocks
                .get(origin)
                .filter(|block| !self.refused.contains_key(&block.name))?;
            by_nginx.then(|| (origin.clone(), Block::clone(block), calls))
        };
        let mut blocks: Vec<(Origin, Block, u64)> = calls.into_iter().filter_map(possible).collect();
        if blocks.len() > self.settings.most_blocks {
            blocks.sort_unstable_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
            blocks.truncate(self.settings.most_blocks);
        }
        blocks.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        blocks
            .into_iter()
            .map(|(origin, block, _)| (origin, block))
            .collect()
    }

    fn render(&self, blocks: &[(Origin, Block)]) -> Result<Text, nginx::Error> {
        let block = |block: &Block| nginx::Block {
            name: block.name.to_string(),
            addresses: block.addresses.clone(),
        };
        let blocks: Vec<nginx::Block> = blocks.iter().map(|(_, wished)| block(wished)).collect();
        self.nginx.render(&blocks)
    }

    async fn bring_live(&mut self, blocks: &[(Origin, Block)]) -> Result<bool, nginx::Error> {
        let text = self.render(blocks)?;
        if self.live.as_ref().is_some_and(|(live, _)| live.hash == text.hash) {
            return Ok(false);
        }
        let names: HashSet<Arc<str>> = blocks.iter().map(|(_, block)| Arc::clone(&block.name)).collect();
        // Before any worker can ask with this hash.
        self.know(&text.hash, names.clone());
        self.nginx.apply(&text).await?;
        tracing::info!(
            nginx.text = &text.hash[..12],
            nginx.blocks = names.len(),
            "configuration live"
        );
        // The start is no reload: nobody was connected yet.
        Ok(self.live.replace((text, names)).is_some())
    }

    fn know(&mut self, hash: &str, names: HashSet<Arc<str>>) {
        self.order.retain(|known| known != hash);
        self.order.push(hash.to_owned());
        let surplus = self.order.len().saturating_sub(TEXTS_KEPT);
        let forgotten: Vec<String> = self.order.drain(..surplus).collect();
        self.channels.texts.send_modify(|texts| {
            let mut next = Texts::clone(texts);
            next.insert(hash.to_owned(), names);
            for hash in forgotten {
                next.remove(&hash);
            }
            *texts = Arc::new(next);
        });
    }

    /// Leave out the block at fault, or else what is new; whether there was anything to leave out.
    fn leave_out(&mut self, error: &nginx::Error, blocks: &[(Origin, Block)], round: u32) -> bool {
        let nginx::Error::Refused { words, line } = error else {
            return false;
        };
        let named = line.and_then(|line| self.render(blocks).ok()?.block_at(line).map(str::to_owned));
        let is_new = |block: &Block| {
            self.live
                .as_ref()
                .is_none_or(|(_, names)| !names.contains(&block.name))
        };
        let at_fault: Vec<(Origin, Block)> = match named {
            Some(name) => blocks
                .iter()
                .filter(|(_, block)| *block.name == *name)
                .cloned()
                .collect(),
            None if round == 0 => blocks
                .iter()
                .filter(|(_, block)| is_new(block))
                .cloned()
                .collect(),
            None => Vec::new(),
        };
        for (origin, block) in &at_fault {
            tracing::warn!(server.origin = %origin, reason = words, "nginx refused an upstream block; its servers are carried");
            self.refused
                .insert(Arc::clone(&block.name), (origin.clone(), words.clone()));
        }
        !at_fault.is_empty()
    }
}
