//! Breadth-first search: visits every state within the bounds once, nearest first, so the first violation has a
//! shortest trace. Deterministic: one thread, no random order.
//!
//! A visited state is kept as a fingerprint of 64 bits (two of 100 million states share one with a chance below
//! 1 in 3,000) and the number of its predecessor; whole states are kept for two levels only.

use crate::bounds::Bounds;
use crate::check::Violation;
use crate::model::{Action, Model, Step};
use crate::rules::Rules;
use crate::state::{STATE_BYTES_MAX, State};
use crate::visited::{Visited, fingerprint};

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every state within the bounds was visited and nothing is violated.
    Holds,
    /// `states_max` was reached first; nothing is violated so far.
    Unfinished,
    /// A shortest run that breaks a property.
    Broken {
        /// The property.
        violation: Violation,
        /// The run, from the initial state.
        actions: Vec<Action>,
    },
}

/// What a search found.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// Distinct states visited.
    pub states: usize,
    /// Steps from the initial state to the farthest state.
    pub depth: usize,
    /// The depth of the first state in which the journal was taken over, trimmed, appended to and read.
    pub witness_depth: Option<usize>,
    /// The model, with the entries that the actions speak of.
    pub model: Model,
}

/// Searches all runs within `bounds` of brokers that keep `rules`. `progress` hears of each finished depth.
pub fn search(rules: Rules, bounds: Bounds, mut progress: impl FnMut(usize, usize)) -> Report {
    let mut model = Model::new(rules, bounds);
    let mut visited = Visited::default();
    let mut bytes = [0; STATE_BYTES_MAX];
    let initial = model.initial();
    visited.insert(print_of(&initial, &bounds, &mut bytes), None);
    let mut level = Vec::new();
    keep(&initial, &bounds, &mut bytes, &mut level);

    let mut steps = Vec::new();
    let (mut parent, mut depth, mut witness_depth) = (0, 0, None);
    while !level.is_empty() {
        progress(depth, visited.len());
        let mut next_level = Vec::new();
        let mut rest = &level[..];
        while !rest.is_empty() {
            let (state, len) = State::decode(bounds.brokers, rest);
            rest = &rest[len..];
            if witness_depth.is_none() && model.is_witness(&state) {
                witness_depth = Some(depth);
            }
            model.steps(&state, &mut steps);
            for step in &steps {
                if let Some(violation) = step.violation {
                    let mut actions = replay(&mut model, &visited.path_to(parent));
                    actions.push(step.action);
                    let outcome = Outcome::Broken { violation, actions };
                    return Report { outcome, states: visited.len(), depth: depth + 1, witness_depth, model };
                }
                if visited.insert(print_of(&step.next, &bounds, &mut bytes), Some(parent)) {
                    keep(&step.next, &bounds, &mut bytes, &mut next_level);
                }
            }
            if visited.len() > bounds.states_max {
                let outcome = Outcome::Unfinished;
                return Report { outcome, states: visited.len(), depth: depth + 1, witness_depth, model };
            }
            parent += 1;
        }
        level = next_level;
        depth += 1;
    }
    Report { outcome: Outcome::Holds, states: visited.len(), depth: depth - 1, witness_depth, model }
}

/// Brokers are interchangeable: states that differ only in their names have one fingerprint.
fn print_of(state: &State, bounds: &Bounds, bytes: &mut [u8; STATE_BYTES_MAX]) -> u64 {
    let len = state.encode(bounds.brokers, true, bytes);
    fingerprint(&bytes[..len])
}

fn keep(state: &State, bounds: &Bounds, bytes: &mut [u8; STATE_BYTES_MAX], level: &mut Vec<u8>) {
    let len = state.encode(bounds.brokers, false, bytes);
    level.extend_from_slice(&bytes[..len]);
}

/// The actions that lead along the fingerprints, of which the first is the initial state's.
fn replay(model: &mut Model, prints: &[u64]) -> Vec<Action> {
    let bounds = model.bounds;
    let mut bytes = [0; STATE_BYTES_MAX];
    let mut state = model.initial();
    let mut steps: Vec<Step> = Vec::new();
    let mut actions = Vec::new();
    for print in &prints[1..] {
        model.steps(&state, &mut steps);
        let taken = steps.iter().find(|step| print_of(&step.next, &bounds, &mut bytes) == *print);
        let taken = taken.expect("the search took this step");
        actions.push(taken.action);
        state = taken.next;
    }
    actions
}
