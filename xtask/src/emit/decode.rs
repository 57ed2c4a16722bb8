//! `impl Decode`: fields in the order of the wire, then the tagged ones; and the fewest bytes a struct can take.

use super::{Context, bindings, condition, flexible, flexible_field, version_name};
use crate::schema::{Field, Kind, Struct, Type, Versions, snake};

pub(super) fn decode(context: &Context<'_>, s: &Struct) -> String {
    let mut body = String::new();
    for field in s.fields.iter().filter(|f| f.tag.is_none()) {
        let set = format!("m.{} = {};\n", snake(&field.name), read(s, field));
        body += &match condition(s.versions, field.versions) {
            Some(test) => format!("if {test} {{\n{set}}}\n"),
            None => set,
        };
    }
    body += &tags(s);
    let served = if matches!(s.kind, Kind::Request | Kind::Response) {
        "d.served(Self::API, version)?;\n"
    } else {
        ""
    };
    let body = format!("{served}{}let mut m = Self::default();\n{body}Ok(m)\n", bindings(s, &body));
    let size = size_min(context, s);
    format!(
        "\nimpl<'a> Decode<'a> for {}{} {{\n\
         fn decode(d: &mut Decoder<'a>, {}: i16) -> Result<Self, DecodeError> {{\n{body}}}\n\n\
         fn size_min({}: i16) -> usize {{\n{size}}}\n}}\n",
        s.name,
        context.lifetime(&s.name, "'a"),
        version_name(&body),
        version_name(&size),
    )
}

fn tags(s: &Struct) -> String {
    let flex = flexible(s);
    let mut arms = String::new();
    for field in s.fields.iter() {
        let Some(tag) = field.tag else { continue };
        let first = Versions { first: s.flexible.unwrap_or(0).max(s.versions.first), last: s.versions.last };
        let test = condition(first, field.versions).map_or(String::new(), |test| format!(" if {test}"));
        arms += &format!("{tag}{test} => m.{} = {},\n", snake(&field.name), read(s, field));
    }
    let skip = if arms.is_empty() {
        "d.tags(|_, _| Ok(false))?;\n".to_owned()
    } else {
        format!("d.tags(|d, tag| {{\nmatch tag {{\n{arms}_ => return Ok(false),\n}}\nOk(true)\n}})?;\n")
    };
    match flex {
        "true" => skip,
        "flex" => format!("if flex {{\n{skip}}}\n"),
        _ => String::new(),
    }
}

/// The expression that reads a field, with its `?`.
fn read(s: &Struct, field: &Field) -> String {
    let flex = flexible_field(s, field);
    let plain = |null: &str| match &field.ty {
        Type::String => format!("d.string{null}({flex})?"),
        Type::Bytes => format!("d.bytes{null}({flex})?"),
        Type::Records => format!("d.records{null}({flex})?"),
        Type::Struct(name) if null.is_empty() => format!("{name}::decode(d, version)?"),
        Type::Struct(name) => format!("d.struct{null}(|d| {name}::decode(d, version))?"),
        Type::Array(inner) => {
            let (size, item) = item(inner, flex);
            format!("d.array{null}({flex}, {size}, |d| {item})?")
        }
        scalar => format!("d.{}()?", scalar.word()),
    };
    let Some(nullable) = field.nullable else { return plain("") };
    match condition(field.versions, nullable) {
        None => plain("_opt"),
        Some(test) => format!("if {test} {{ {} }} else {{ Some({}) }}", plain("_opt"), plain("")),
    }
}

/// The fewest bytes of an array's item, and the expression that reads it, without `?`.
fn item(ty: &Type, flex: &str) -> (String, String) {
    match ty {
        Type::Struct(name) => (format!("{name}::size_min(version)"), format!("{name}::decode(d, version)")),
        Type::String => {
            let size = match flex {
                "true" => "1",
                "false" => "2",
                _ => "if flex { 1 } else { 2 }",
            };
            (size.to_owned(), format!("d.string({flex})"))
        }
        scalar => (scalar_size(scalar).to_string(), format!("d.{}()", scalar.word())),
    }
}

fn scalar_size(ty: &Type) -> usize {
    match ty {
        Type::Bool | Type::I8 => 1,
        Type::I16 | Type::U16 | Type::Error => 2,
        Type::I32 => 4,
        Type::I64 | Type::F64 => 8,
        Type::Uuid => 16,
        other => panic!("no scalar: {other:?}"),
    }
}

fn size_min(context: &Context<'_>, s: &Struct) -> String {
    let sizes: Vec<(i16, usize)> =
        (s.versions.first..=s.versions.last).map(|v| (v, size_at(context, s, v))).collect();
    let mut runs: Vec<(i16, i16, usize)> = Vec::new();
    for (version, size) in sizes {
        match runs.last_mut() {
            Some((_, last, same)) if *same == size => *last = version,
            _ => runs.push((version, version, size)),
        }
    }
    let Some((_, _, newest)) = runs.pop() else { return "0\n".to_owned() };
    if runs.is_empty() {
        return format!("{newest}\n");
    }
    let arms: String = runs.iter().map(|(first, last, size)| arm(*first, *last, *size)).collect();
    format!("match version {{\n{arms}_ => {newest},\n}}\n")
}

fn arm(first: i16, last: i16, size: usize) -> String {
    if first == last { format!("{first} => {size},\n") } else { format!("{first}..={last} => {size},\n") }
}

fn size_at(context: &Context<'_>, s: &Struct, version: i16) -> usize {
    let flex = s.flexible.is_some_and(|from| version >= from);
    let here = Versions { first: version, last: version };
    let fields = s.fields.iter().filter(|f| f.tag.is_none() && f.versions.covers(here));
    let sizes = fields.map(|field| match &field.ty {
        Type::String if flex && !field.inflexible => 1,
        Type::String => 2,
        Type::Bytes | Type::Records | Type::Array(_) => {
            if flex {
                1
            } else {
                4
            }
        }
        Type::Struct(_) if field.nullable.is_some() => 1,
        Type::Struct(name) => size_at(context, context.structs[name.as_str()], version),
        scalar => scalar_size(scalar),
    });
    sizes.sum::<usize>() + usize::from(flex)
}
