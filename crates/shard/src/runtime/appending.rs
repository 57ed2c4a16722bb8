//! Entries on their way: appended, in flight, released in the order of their slots once they are durable.

use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering},
    task::Poll,
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{Either, ready},
};
use klamm_machine::{At, Machine};
use klamm_model::{Bug, planted};
use klamm_store::{
    Entry, EntryKind, Header, Written,
    entry::{PAYLOAD_BYTES_MAX, crc32c},
};

use super::Owner;
use crate::{
    Published, View,
    handle::Ack,
    pipeline::{Content, Draft, InFlight, Told, Waiting},
};

impl<M: Machine, V: View<M>> Owner<'_, M, V> {
    pub(super) async fn append_records(&mut self, draft: Draft<M>, waiting: Vec<Waiting<M>>, time_ms: i64) {
        if draft.is_empty() {
            // Nothing changed, but what was read may not be durable yet.
            match self.in_flight.back_mut() {
                Some(last) => last.waiting.extend(waiting),
                None => waiting.into_iter().for_each(Waiting::release),
            }
            return;
        }
        let (payload, placed) = draft.finish();
        assert!(payload.iter().map(Bytes::len).sum::<usize>() <= PAYLOAD_BYTES_MAX, "drafts are cut");
        self.append(EntryKind::Records, payload, Content::Records(placed), waiting, time_ms).await;
    }

    pub(super) async fn append(
        &mut self,
        kind: EntryKind,
        payload: Vec<Bytes>,
        content: Content<M>,
        waiting: Vec<Waiting<M>>,
        time_ms: i64,
    ) {
        let header = Header {
            kind,
            shard: self.context.config.shard,
            key: self.next,
            epoch: self.epoch,
            writer: self.context.config.broker,
            nonce: self.nonce,
            previous: self.hash,
            durable: self.durable,
            time_ms,
            payload_bytes: u32::try_from(payload.iter().map(Bytes::len).sum::<usize>())
                .expect("payloads are bounded"),
            payload_crc: crc32c(payload.iter().map(|piece| &piece[..])),
        };
        self.hash = header.hash();
        if let Some(boundary) =
            self.boundaries.back_mut().filter(|boundary| boundary.slots.end == self.next.slot)
        {
            boundary.entry = Some((self.next.epoch, self.hash));
        }
        // Whoever waits for the write alone is told of it; for the others the sync is one step with it.
        let told_early = waiting.iter().any(|waiting| waiting.ack == Ack::Written);
        let (written, told) = if told_early {
            let (written, told) = Written::channel();
            (written, Told::Waiting(told))
        } else {
            (Written::ignore(), Told::Done)
        };
        let journal = Arc::clone(&self.context.store.journal);
        let mut append = async move { journal.append(Entry { header, payload }, written).await }.boxed();
        // The first poll gives the entry its place; entries are written in the order of their slots.
        let append = match poll_fn(|context| Poll::Ready(append.as_mut().poll(context))).await {
            Poll::Ready(result) => Either::Left(ready(result)),
            Poll::Pending => Either::Right(append),
        };
        self.appends.push_back(append.boxed());
        let mut entry = InFlight { key: self.next, time_ms, content, waiting, told };
        if planted(Bug::AnswerEarly) {
            entry.waiting.drain(..).for_each(Waiting::release);
        }
        if planted(Bug::ServePastHighWatermark)
            && let Content::Records(records) = &entry.content
        {
            let at = At { slot: entry.key.slot, epoch: self.epoch, time_ms };
            self.view.publish(Published { key: entry.key, at, records });
        }
        self.in_flight.push_back(entry);
        self.next.slot = self.next.slot.next();
    }

    /// The oldest entry in flight is durable.
    pub(super) fn release(&mut self) {
        let entry = self.in_flight.pop_front().expect("one entry an append");
        assert_eq!(entry.key.slot, self.durable, "replies are released in slot order");
        self.durable = entry.key.slot.next();
        self.context.durable.store(self.durable.0, Ordering::Release);
        match entry.content {
            Content::Records(_) if planted(Bug::ServePastHighWatermark) => {}
            Content::Records(records) => {
                let at = At { slot: entry.key.slot, epoch: self.epoch, time_ms: entry.time_ms };
                self.view.publish(Published { key: entry.key, at, records: &records });
            }
            Content::Checkpoint(checkpoint) => self.trim(checkpoint),
        }
        entry.waiting.into_iter().for_each(Waiting::release);
    }
}
