//! Reads as a member of a group: stores how far it has written, leaves when it ends.
//!
//! Contract: only what was flushed to standard output is stored, so a reader that dies gets the rest again.

use std::time::Duration;

use klamm_client::{At, Client, GroupConsumer, GroupEvent, GroupOptions};

use super::{ConsumeArgs, Ends, printer::Printer, start::Start};
use crate::cli::{Stop, serve::signals};

const COMMIT_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn run(
    args: &ConsumeArgs,
    client: Client,
    group: &str,
    printer: &mut Printer,
) -> Result<(), Stop> {
    let reset = reset(args, group)?;
    let options = GroupOptions {
        group: group.to_owned(),
        topics: vec![args.topic.clone()],
        reset,
        isolation: args.isolation(),
        session_timeout: Duration::from_secs(30),
        rebalance_timeout: Duration::from_secs(25),
    };
    let (mut term, mut int) = signals()?;
    let mut member = GroupConsumer::new(client, options);
    let mut every = tokio::time::interval(COMMIT_EVERY);
    let ended = async {
        let mut waiting = None;
        while !printer.is_done() {
            let event = tokio::select! { biased;
                _ = term.recv() => return Ok(()),
                _ = int.recv() => return Ok(()),
                _ = every.tick(), if member.is_joined() => {
                    member.commit().await?;
                    continue;
                }
                event = member.poll() => event?,
            };
            match event {
                GroupEvent::Assigned(partitions) => {
                    let list: Vec<_> = partitions.iter().map(ToString::to_string).collect();
                    let list = if list.is_empty() { "nothing".to_owned() } else { list.join(" ") };
                    eprintln!("group {group}: this member reads {list}");
                    waiting = Some(Ends::new(partitions));
                }
                GroupEvent::Fetched(all) => {
                    for fetched in &all {
                        if let Some(rest) = printer.print(fetched)? {
                            member.seek(&fetched.of, rest);
                        }
                        waiting.iter_mut().for_each(|waiting: &mut Ends| waiting.heard(fetched));
                    }
                    printer.flush()?;
                }
            }
            if args.exit_eof && waiting.as_ref().is_some_and(Ends::is_over) {
                return Ok(());
            }
        }
        Ok(())
    };
    let ended: Result<(), Stop> = ended.await;
    // Standard output that broke was not read: what was handed out since the last commit is not stored.
    let left = if ended.is_ok() { member.leave().await } else { member.abandon().await };
    ended?;
    Ok(left?)
}

/// Where the group begins where it has stored nothing.
fn reset(args: &ConsumeArgs, group: &str) -> Result<At, Stop> {
    Ok(match args.offset {
        _ if args.from_beginning => At::Earliest,
        None | Some(Start::Stored | Start::End) => At::Latest,
        Some(Start::Beginning) => At::Earliest,
        Some(Start::Time(ms)) => At::Time(ms),
        Some(Start::Offset(_) | Start::Back(_)) => {
            let hint = format!("`klamm group reset {group} --topic {} --to offset N` sets it", args.topic);
            return Err(Stop::failed(format!(
                "a group begins where it has stopped, not at an offset; {hint}"
            )));
        }
    })
}
