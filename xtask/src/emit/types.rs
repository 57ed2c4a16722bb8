//! Struct definitions and their defaults.

use super::{Context, literal};
use crate::schema::{Default, Field, Kind, Struct, Type, Versions, snake};

pub(super) fn definition(context: &Context<'_>, s: &Struct) -> String {
    let what = match s.kind {
        Kind::Request => "The request",
        Kind::Response => "The response",
        Kind::Data => "Data of its own",
        Kind::Inner => "Part of it",
    };
    let derived = s.fields.iter().all(natural);
    let lifetime = context.lifetime(&s.name, "'a");
    let mut out = format!("\n/// {what}, {}.\n#[derive(Debug, Clone, PartialEq", range(s.versions));
    out += if derived { ", Default)]\n" } else { ")]\n" };
    out += &format!("pub struct {}{lifetime} {{\n", s.name);
    for field in &s.fields {
        let tag = field.tag.map_or(String::new(), |tag| format!(", tag {tag}"));
        let ignorable = if field.ignorable { ", ignorable" } else { "" };
        out += &format!("/// {}{tag}{ignorable}.\n", capital(&range(field.versions)));
        out += &format!("pub {}: {},\n", snake(&field.name), rust(context, field));
    }
    out += "}\n";
    if !derived {
        out += &format!(
            "\nimpl Default for {}{} {{\nfn default() -> Self {{\nSelf {{\n",
            s.name,
            context.lifetime(&s.name, "'_")
        );
        for field in &s.fields {
            out += &format!("{}: {},\n", snake(&field.name), default(field));
        }
        out += "}\n}\n}\n";
    }
    out
}

fn rust(context: &Context<'_>, field: &Field) -> String {
    let ty = plain(context, &field.ty);
    if field.nullable.is_some() { format!("Option<{ty}>") } else { ty }
}

fn plain(context: &Context<'_>, ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".to_owned(),
        Type::I8 => "i8".to_owned(),
        Type::I16 => "i16".to_owned(),
        Type::U16 => "u16".to_owned(),
        Type::I32 => "i32".to_owned(),
        Type::I64 => "i64".to_owned(),
        Type::F64 => "f64".to_owned(),
        Type::String => "Str<'a>".to_owned(),
        Type::Bytes => "Blob<'a>".to_owned(),
        Type::Uuid => "Uuid".to_owned(),
        Type::Records => "Records<'a>".to_owned(),
        Type::Error => "ErrorCode".to_owned(),
        Type::Struct(name) => format!("{name}{}", context.lifetime(name, "'a")),
        Type::Array(inner) => format!("Vec<{}>", plain(context, inner)),
    }
}

/// Whether Rust's default is Kafka's.
fn natural(field: &Field) -> bool {
    match field.default {
        Default::Null => true,
        Default::Natural => field.nullable.is_none(),
        Default::Number(_) | Default::True => false,
    }
}

fn default(field: &Field) -> String {
    match field.default {
        Default::Number(number) => literal(number),
        Default::True => "true".to_owned(),
        Default::Null => "None".to_owned(),
        Default::Natural if field.nullable.is_some() => "Some(Default::default())".to_owned(),
        Default::Natural => "Default::default()".to_owned(),
    }
}

fn range(versions: Versions) -> String {
    if versions.first == versions.last {
        format!("version {}", versions.first)
    } else {
        format!("versions {}-{}", versions.first, versions.last)
    }
}

fn capital(text: &str) -> String {
    text[..1].to_uppercase() + &text[1..]
}
