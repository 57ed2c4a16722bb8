//! Schemas that parse, and the errors of those that do not.

use super::parse;
use crate::schema::{Default, Kind, Type, Versions};

const GOOD: &str = "\
# Ping: is anyone there.

api       7 Ping
versions  1-4
flexible  3+

request
  name        string?2+  1+                # a comment
  peers       []Peer     2+  = null ignorable
    host      string     2-3

response
  peer        Peer       3+          tag 0
";

#[test]
fn a_schema() {
    let good = GOOD.replace(" = null ignorable", " ignorable");
    let file = parse(&good).expect("a good schema");
    let api = file.api.expect("an api");
    assert_eq!((api.key, api.versions, api.flexible), (7, Versions { first: 1, last: 4 }, Some(3)));
    let names: Vec<_> = file.structs.iter().map(|s| (s.name.as_str(), s.kind)).collect();
    assert_eq!(
        names,
        [("PingRequest", Kind::Request), ("Peer", Kind::Inner), ("PingResponse", Kind::Response)]
    );
    let name = &file.structs[0].fields[0];
    assert_eq!((name.nullable, &name.default), (Some(Versions { first: 2, last: 4 }), &Default::Natural));
    assert_eq!(file.structs[2].fields[0].ty, Type::Struct("Peer".to_owned()));
    assert_eq!(file.doc, ["Ping: is anyone there."]);
}

/// The error of a request with these fields, in API versions 1-4, flexible from 3.
fn error(fields: &str) -> String {
    let text = format!("api 7 Ping\nversions 1-4\nflexible 3+\nrequest\n{fields}\n");
    parse(&text).expect_err("a bad schema")
}

#[test]
fn errors_name_the_line() {
    assert_eq!(parse(GOOD).expect_err("bad"), "line 9: the default of peers does not fit its type");
    assert_eq!(error("  a"), "line 5: a field needs name, type, versions");
    assert_eq!(error("  a int 1+"), "line 5: `int` is no type");
    assert_eq!(error("  a i8 0+"), "line 5: a has versions its struct lacks");
    assert_eq!(error("  a i8 one"), "line 5: `one` is no range of versions: expected 4, 4-7 or 4+");
    assert_eq!(error("  a i8 4-2"), "line 5: `4-2` is empty");
    assert_eq!(error("  a i8 1+ ignorabel"), "line 5: `ignorabel`: expected =, tag, ignorable or inflexible");
    assert_eq!(error("  a i8 1+\n    b i8 1+"), "line 6: the field above has no struct type");
    assert_eq!(
        error("   a i8 1+"),
        "line 5: indented by 3: expected 2 spaces a level, one level deeper at most"
    );
    assert_eq!(error("  a i8 1+\n  a i8 1+"), "line 6: field a is defined twice");
    assert_eq!(error("  a i8 2+ tag 0"), "line 5: a is tagged in versions that are not flexible");
    assert_eq!(error("  a i8 3+ tag 0\n  b i8 3+ tag 0"), "struct PingRequest uses a tag twice");
    assert_eq!(error("  a Nothing 1+"), "PingRequest.a: no struct Nothing");
    assert_eq!(error("  a i8? 1+"), "line 5: a: i8 cannot be null");
    assert_eq!(
        error("  a P?2+ 1+\n    b i8 1+"),
        "line 5: a: a struct is nullable in all its versions or in none"
    );
    assert_eq!(error("  a [][]i8 1+"), "line 5: a: no arrays of arrays");
    assert_eq!(error("  a i8 1+ = 128"), "line 5: the default of a does not fit its type");
    assert_eq!(
        error("reqest"),
        "line 5: `reqest`: expected api, versions, advertise, flexible, request, response, struct or data"
    );
}
