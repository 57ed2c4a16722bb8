use klamm_conformance::*;
use klamm_protocol::*;
use klamm_protocol::describe_configs::DescribeConfigsResource;
use klamm_protocol::incremental_alter_configs as inc;
use klamm_protocol::create_partitions::*;
use klamm_protocol::describe_topic_partitions::{RequestCursor, TopicRequest};
#[test]
fn probe() {
    let (_b, mut raw) = crate::pair();
    let t = "probe-t"; let _ = raw.create(t, 2, &[]);
    let _ = raw.create("probe-z", 2, &[]);
    let c = |raw: &mut Raw, what: &str, kind: i8, name: &str, keys: Option<Vec<Str<'static>>>| {
        let r = DescribeConfigsResource { resource_type: kind, resource_name: name.to_owned().into(), configuration_keys: keys };
        let a = raw.ask(4, &DescribeConfigsRequest { resources: vec![r], include_synonyms: true, include_documentation: false }).results.remove(0);
        println!("P describe {what} {kind} {name:?}: {:?} {:?} n={}", a.error_code, a.error_message, a.configs.len());
    };
    c(&mut raw, "empty keys", 2, t, Some(vec![]));
    c(&mut raw, "topic", 2, t, None);
    for (k, n) in [(2, ""), (2, "no/slash"), (2, "not-there"), (4, ""), (4, "99"), (4, "x"), (8, "1"), (8, ""), (8, "9"), (16, ""), (16, "x"), (32, ""), (32, "g"), (77, "x"), (0, "x")] { c(&mut raw, "", k, n, None); }
    let i = |raw: &mut Raw, kind: i8, name: &str, cf: &[(&str, i8, Option<&str>)], vo: bool| {
        let configs = cf.iter().map(|(n, o, v)| inc::AlterableConfig { name: (*n).to_owned().into(), config_operation: *o, value: v.map(|v| v.to_owned().into()) }).collect();
        let r = inc::AlterConfigsResource { resource_type: kind, resource_name: name.to_owned().into(), configs };
        let a = raw.ask(1, &IncrementalAlterConfigsRequest { resources: vec![r], validate_only: vo }).responses.remove(0);
        println!("P alter {kind} {name:?} {cf:?}: {:?} {:?}", a.error_code, a.error_message);
    };
    for (k, n) in [(2, ""), (2, "no/slash"), (2, "not-there"), (4, ""), (4, "99"), (4, "x"), (8, "1"), (8, ""), (16, ""), (32, ""), (32, "g"), (77, "x"), (0, "x")] { i(&mut raw, k, n, &[("num.partitions", 0, Some("3"))], true); i(&mut raw, k, n, &[], true); }
    i(&mut raw, 2, t, &[("num.partitions", 2, Some("3"))], true);
    for (n, v) in [("retention.ms", "x"), ("retention.ms", " 5 "), ("retention.ms", "-2"), ("retention.ms", ""), ("cleanup.policy", ""), ("cleanup.policy", "delete,delete"), ("cleanup.policy", "delete, compact"), ("cleanup.policy", "shred"), ("segment.bytes", "1"), ("segment.bytes", "99999999999"), ("compression.type", "x"), ("compression.type", "GZIP"), ("max.message.bytes", "-1"), ("preallocate", "TRUE"), ("preallocate", "yes"), ("min.cleanable.dirty.ratio", "2"), ("min.cleanable.dirty.ratio", "x"), ("message.timestamp.type", "x"), ("max.compaction.lag.ms", "5"), ("local.retention.ms", "99999999999999"), ("leader.replication.throttled.replicas", "x"), ("leader.replication.throttled.replicas", "0:1,1:1"), ("leader.replication.throttled.replicas", "*"), ("compression.gzip.level", "77"), ("compression.gzip.level", "0"), ("compression.lz4.level", "99"), ("compression.zstd.level", "99"), ("remote.storage.enable", "true"), ("flush.messages", "0"), ("min.insync.replicas", "0"), ("retention.bytes", "-5"), ("segment.index.bytes", "3"), ("index.interval.bytes", "-1"), ("segment.ms", "0"), ("delete.retention.ms", "-1")] {
        i(&mut raw, 2, t, &[(n, 0, Some(v))], true);
    }
    i(&mut raw, 2, t, &[("min.compaction.lag.ms", 0, Some("50")), ("max.compaction.lag.ms", 0, Some("5"))], true);
    i(&mut raw, 2, t, &[("min.compaction.lag.ms", 0, Some("50")), ("max.compaction.lag.ms", 0, Some("50"))], true);
    i(&mut raw, 2, t, &[("nope", 1, None)], true);
    i(&mut raw, 2, t, &[("a", 0, None), ("b", 0, None)], true);
    i(&mut raw, 2, t, &[("cleanup.policy", 3, Some("delete"))], true);
    let g = |raw: &mut Raw, n: &str, count, asg: Option<Vec<Vec<i32>>>| {
        let a = CreatePartitionsTopic { name: n.to_owned().into(), count, assignments: asg.clone().map(|a| a.into_iter().map(|b| CreatePartitionsAssignment { broker_ids: b }).collect()) };
        let a = raw.ask(3, &CreatePartitionsRequest { topics: vec![a], timeout_ms: 5000, validate_only: true }).results.remove(0);
        println!("P grow {n} {count} {asg:?}: {:?} {:?}", a.error_code, a.error_message);
    };
    g(&mut raw, "not-there", 3, None); g(&mut raw, "no/slash", 3, None);
    for n in [2, 1, 0, -1, 200_000] { g(&mut raw, t, n, None); }
    g(&mut raw, t, 4, Some(vec![vec![1]])); g(&mut raw, t, 3, Some(vec![vec![9]])); g(&mut raw, t, 3, Some(vec![vec![1, 1]])); g(&mut raw, t, 3, Some(vec![vec![]])); g(&mut raw, t, 3, Some(vec![])); g(&mut raw, t, 3, Some(vec![vec![1], vec![1]]));
    let tp = |raw: &mut Raw, names: &[&str], lim, cur: Option<(&str, i32)>| {
        let r = DescribeTopicPartitionsRequest { topics: names.iter().map(|n| TopicRequest { name: (*n).to_owned().into() }).collect(), response_partition_limit: lim, cursor: cur.map(|(a, b)| RequestCursor { topic_name: a.to_owned().into(), partition_index: b }) };
        let a = raw.try_ask(0, &r);
        println!("P pages {names:?} {lim} {cur:?}: {:?}", a.map(|a| (a.topics.into_iter().filter(|t| names.is_empty() == false || t.name.as_deref().unwrap_or("").starts_with("probe")).map(|t| (t.name, t.error_code, t.topic_authorized_operations, t.partitions.iter().map(|p| p.partition_index).collect::<Vec<_>>())).collect::<Vec<_>>(), a.next_cursor)));
    };
    tp(&mut raw, &[t, "probe-z"], 2, None); tp(&mut raw, &[t, "probe-z"], 0, None); tp(&mut raw, &[t, "probe-z"], -5, None); tp(&mut raw, &[t, "probe-z", "probe-tt"], 2, None);
    tp(&mut raw, &["probe-z"], 9, Some((t, 0))); tp(&mut raw, &[t], 9, Some((t, 7))); tp(&mut raw, &[t, "probe-z"], 9, Some(("probe-u", 1))); tp(&mut raw, &["no/slash", ""], 9, None);
    let mut other = Raw::connect(_b.addr());
    tp(&mut other, &[t], 9, Some((t, -1)));
    for (v, ty) in [(0, vec![]), (1, vec![]), (1, vec![2]), (1, vec![4]), (1, vec![8]), (1, vec![16]), (1, vec![32]), (1, vec![0]), (1, vec![4, 8])] {
        let a = raw.ask(v, &ListConfigResourcesRequest { resource_types: ty.clone() });
        println!("P list v{v} {ty:?}: {:?} {:?}", a.error_code, a.config_resources.iter().filter(|r| r.resource_type != 2).collect::<Vec<_>>());
    }
    for e in [0, 1, 2, 3] { let a = raw.ask(2, &DescribeClusterRequest { endpoint_type: e, ..Default::default() }); println!("P cluster {e}: {:?} {:?} {} {}", a.error_code, a.error_message, a.endpoint_type, a.controller_id); }
    let a = raw.ask(2, &DescribeClusterRequest { include_cluster_authorized_operations: true, endpoint_type: 1, ..Default::default() }); println!("P cluster ops {:#b}", a.cluster_authorized_operations);
    let a = raw.ask(4, &DescribeLogDirsRequest { topics: Some(vec![]) }); println!("P dirs {:?}", a.results.iter().map(|r| (r.error_code, r.topics.len())).collect::<Vec<_>>());
    for (et, m) in [("user", 2), ("user", 0), ("zzz", 2), ("", 2), ("user", 9)] {
        let a = raw.ask(1, &DescribeClientQuotasRequest { components: vec![describe_client_quotas::ComponentData { entity_type: et.into(), match_type: m, r#match: None }], strict: false });
        println!("P quotas {et} {m}: {:?} {:?} {:?}", a.error_code, a.error_message, a.entries.map(|e| e.len()));
    }
    let a = raw.ask(0, &DescribeProducersRequest { topics: vec![describe_producers::TopicRequest { name: "not-there".into(), partition_indexes: vec![0] }, describe_producers::TopicRequest { name: t.into(), partition_indexes: vec![9] }] });
    println!("P producers {a:?}");
}
