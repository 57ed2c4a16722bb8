//! Drivers over a driver that misbehave on request. Deterministic: nothing happens but what the test says.
//! [`Held`] stops calls: a put can be landed late, several times, or lost; any other call goes on when it is let.
//! [`Lossy`] answers as it was told: lost before or after the put took effect, refused, unreadable, cut short.

use std::{collections::VecDeque, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{Driver, DriverError, Listing, Name, PutError, Value, Written};

/// A call of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the driver's own calls")]
pub enum Op {
    Put(Name),
    Get(Name),
    List(Listing),
    Delete,
}

type Filter = Box<dyn FnMut(&Op) -> bool + Send>;

struct Call {
    op: Op,
    value: Value,
    waiter: Option<oneshot::Sender<Result<(), PutError>>>,
}

impl Call {
    fn waits(&self) -> bool {
        self.waiter.as_ref().is_some_and(|waiter| !waiter.is_closed())
    }

    fn answer(&mut self, result: Result<(), PutError>) {
        if let Some(waiter) = self.waiter.take() {
            let _ = waiter.send(result);
        }
    }
}

/// Stops the calls that it is asked to stop. Calls are numbered in the order in which they stopped.
pub struct Held<D> {
    driver: Arc<D>,
    filter: Mutex<Filter>,
    calls: Mutex<Vec<Call>>,
    gets_ahead: usize,
}

impl<D: Driver> Held<D> {
    /// Stops nothing yet.
    pub fn new(driver: Arc<D>) -> Arc<Self> {
        Self::ahead(driver, 1)
    }

    /// The same, for so many gets at a time.
    pub fn ahead(driver: Arc<D>, gets_ahead: usize) -> Arc<Self> {
        let filter = Mutex::new(Box::new(|_: &Op| false) as Filter);
        Arc::new(Self { driver, filter, calls: Mutex::default(), gets_ahead })
    }

    /// From now on stops the calls that `filter` names.
    pub fn hold(&self, filter: impl FnMut(&Op) -> bool + Send + 'static) {
        *self.filter.lock() = Box::new(filter);
    }

    /// Stops puts.
    pub fn hold_puts(&self) {
        self.hold(|op| matches!(op, Op::Put(_)));
    }

    /// Stops one call: the one after the next `calls` ones.
    pub fn hold_after(&self, mut calls: usize) {
        self.hold(move |_| {
            calls = calls.wrapping_sub(1);
            calls == usize::MAX
        });
    }

    /// Stops nothing from now on; what was stopped stays so.
    pub fn pass(&self) {
        self.hold(|_| false);
    }

    /// Calls that wait.
    pub fn waiting(&self) -> Vec<(usize, Op)> {
        let calls = self.calls.lock();
        calls.iter().enumerate().filter(|(_, call)| call.waits()).map(|(id, call)| (id, call.op)).collect()
    }

    /// Waits until this many calls wait; returns their numbers.
    pub async fn until(&self, count: usize) -> Vec<usize> {
        loop {
            let waiting = self.waiting();
            if waiting.len() >= count {
                return waiting.into_iter().map(|(id, _)| id).collect();
            }
            tokio::task::yield_now().await;
        }
    }

    /// All puts that were ever stopped, from a call on: their numbers and values.
    pub fn puts(&self, from: usize) -> Vec<(usize, Value)> {
        let calls = self.calls.lock();
        let puts = calls.iter().enumerate().skip(from).filter(|(_, call)| matches!(call.op, Op::Put(_)));
        puts.map(|(id, call)| (id, call.value.clone())).collect()
    }

    /// Lets a call go on; a put lands, again if it did before. Whoever still waits for a put gets its answer.
    pub async fn go(&self, id: usize) {
        let result = self.land(id).await;
        self.calls.lock()[id].answer(result);
    }

    /// A put lands, and its answer is lost.
    pub async fn go_unanswered(&self, id: usize) {
        let _ = self.land(id).await;
        self.lose(id);
    }

    /// A put does not land now, and its answer is lost; it may still land. Any other call has no effect and fails.
    pub fn lose(&self, id: usize) {
        self.calls.lock()[id].answer(Err(PutError::Unknown("lost".to_owned())));
    }

    /// A put lands; whoever waits for it goes on waiting.
    pub async fn land(&self, id: usize) -> Result<(), PutError> {
        let (op, value) = {
            let calls = self.calls.lock();
            (calls[id].op, calls[id].value.clone())
        };
        match op {
            Op::Put(name) => self.driver.put(name, value, Written::ignore()).await,
            _ => Ok(()),
        }
    }

    fn stop(&self, op: Op, value: &Value) -> Option<oneshot::Receiver<Result<(), PutError>>> {
        if !(self.filter.lock())(&op) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.calls.lock().push(Call { op, value: value.clone(), waiter: Some(sender) });
        Some(receiver)
    }

    async fn pause(&self, op: Op) -> Result<(), DriverError> {
        match self.stop(op, &Vec::new()) {
            Some(stopped) => match stopped.await {
                Ok(Err(error)) => Err(DriverError(error.to_string())),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }
}

#[async_trait]
impl<D: Driver> Driver for Held<D> {
    async fn put(&self, name: Name, value: Value, written: Written) -> Result<(), PutError> {
        match self.stop(Op::Put(name), &value) {
            Some(stopped) => stopped.await.expect("the test keeps the driver"),
            None => self.driver.put(name, value, written).await,
        }
    }

    async fn get(&self, name: Name) -> Result<Option<Value>, DriverError> {
        self.pause(Op::Get(name)).await?;
        self.driver.get(name).await
    }

    async fn list(&self, listing: Listing) -> Result<Vec<Name>, DriverError> {
        self.pause(Op::List(listing)).await?;
        self.driver.list(listing).await
    }

    async fn delete(&self, names: &[Name]) -> Result<(), DriverError> {
        self.pause(Op::Delete).await?;
        self.driver.delete(names).await
    }

    fn gets_ahead(&self) -> usize {
        self.gets_ahead
    }
}

/// What becomes of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// As it should be.
    Done,
    /// It does not take effect, and no answer comes.
    LostBefore,
    /// It takes effect, and no answer comes.
    LostAfter,
    /// The store refuses.
    Refused,
}

#[derive(Default)]
struct Script {
    fates: VecDeque<Fate>,
    failing_gets: usize,
    delete_only: Option<usize>,
}

/// Answers as it was told, then as the driver does.
pub struct Lossy<D> {
    driver: Arc<D>,
    script: Mutex<Script>,
}

impl<D: Driver> Lossy<D> {
    /// Loses nothing yet.
    pub fn new(driver: Arc<D>) -> Arc<Self> {
        Arc::new(Self { driver, script: Mutex::default() })
    }

    /// What becomes of the next puts.
    pub fn next_puts(&self, fates: impl IntoIterator<Item = Fate>) {
        self.script.lock().fates = fates.into_iter().collect();
    }

    /// The next gets fail.
    pub fn next_gets_fail(&self, count: usize) {
        self.script.lock().failing_gets = count;
    }

    /// The next delete removes this many names, in order, and fails.
    pub fn next_delete_only(&self, count: usize) {
        self.script.lock().delete_only = Some(count);
    }
}

#[async_trait]
impl<D: Driver> Driver for Lossy<D> {
    async fn put(&self, name: Name, value: Value, written: Written) -> Result<(), PutError> {
        let lost = Err(PutError::Unknown("lost".to_owned()));
        let fate = self.script.lock().fates.pop_front().unwrap_or(Fate::Done);
        match fate {
            Fate::Done => self.driver.put(name, value, written).await,
            Fate::LostBefore => lost,
            Fate::LostAfter => self.driver.put(name, value, written).await.and(lost),
            Fate::Refused => Err(PutError::Refused("as told".to_owned())),
        }
    }

    async fn get(&self, name: Name) -> Result<Option<Value>, DriverError> {
        let fails = {
            let mut script = self.script.lock();
            let fails = script.failing_gets > 0;
            script.failing_gets = script.failing_gets.saturating_sub(1);
            fails
        };
        if fails {
            return Err(DriverError("no answer".to_owned()));
        }
        self.driver.get(name).await
    }

    async fn list(&self, listing: Listing) -> Result<Vec<Name>, DriverError> {
        self.driver.list(listing).await
    }

    async fn delete(&self, names: &[Name]) -> Result<(), DriverError> {
        let only = self.script.lock().delete_only.take();
        match only {
            None => self.driver.delete(names).await,
            Some(count) => {
                self.driver.delete(&names[..count.min(names.len())]).await?;
                Err(DriverError("ended in the middle".to_owned()))
            }
        }
    }
}
