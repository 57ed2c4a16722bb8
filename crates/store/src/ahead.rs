//! Gets that are made ahead of the one that is waited for, for stores that are far away. Invariants: a value is that of the
//! key that was asked for; what was got ahead under another key is dropped. What waits for its turn is small: so many gets as
//! may be under way keep no more than [`SMALL_BYTES`] each, beside the one value whose turn it is, of any size. What a get
//! finds is of a moment after [`Ahead::new`], not after the get before it was answered: the rules bear that
//! (`docs/adr/0002`, rule 7).

use std::collections::VecDeque;

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesOrdered};

use crate::{Driver, DriverError, Key, Name, Small, Value, value_bytes};

/// The largest value that is got ahead. A larger one is got when its turn comes, and after it gets are made one at a time
/// until a small one comes.
const SMALL_BYTES: usize = 4 << 20;

/// Gets under way, in the order in which their values will be wanted.
pub(crate) struct Ahead<'a, D> {
    driver: &'a D,
    keys: VecDeque<Key>,
    gets: FuturesOrdered<BoxFuture<'a, Result<Small, DriverError>>>,
    /// How many may be under way. It doubles with each value, so that a short read asks for little in vain.
    window: usize,
}

impl<'a, D: Driver> Ahead<'a, D> {
    pub(crate) fn new(driver: &'a D) -> Self {
        Self { driver, keys: VecDeque::new(), gets: FuturesOrdered::new(), window: 1 }
    }

    /// What is under the key `guess(0)`. `guess(n)` is the key that will be asked for `n` gets later, as far as can be known.
    pub(crate) async fn get(
        &mut self,
        guess: impl Fn(usize) -> Option<Key> + Send,
    ) -> Result<Option<Value>, DriverError> {
        if self.keys.front().copied() != guess(0) {
            self.keys.clear();
            self.gets = FuturesOrdered::new();
        }
        while self.keys.len() < self.window
            && let Some(key) = guess(self.keys.len())
        {
            self.gets.push_back(if self.keys.is_empty() {
                self.whole(key)
            } else {
                self.driver.get_small(Name::Entry(key), SMALL_BYTES)
            });
            self.keys.push_back(key);
        }
        let key = self.keys.pop_front().expect("the key that is asked for is known");
        let value = loop {
            match self.gets.next().await.expect("a get for each key")? {
                Small::Value(value) => break value,
                // Its turn is now: it is got whole, before what is under way behind it.
                Small::Larger => self.gets.push_front(self.whole(key)),
            }
        };
        let large = value.as_ref().is_some_and(|value| value_bytes(value) > SMALL_BYTES);
        self.window = if large { 1 } else { (2 * self.window).min(self.driver.gets_ahead()) };
        Ok(value)
    }

    fn whole(&self, key: Key) -> BoxFuture<'a, Result<Small, DriverError>> {
        self.driver.get(Name::Entry(key)).map(|value| value.map(Small::Value)).boxed()
    }
}
