//! `impl Encode`: fields in the order of the wire, then the tagged ones that do not hold their default.
//! A value that the version cannot carry is an error, unless the schema says ignorable.

use super::{Context, bindings, condition, flexible, flexible_field, not_default, version_name};
use crate::schema::{Field, Kind, Struct, Type, snake};

pub(super) fn encode(context: &Context<'_>, s: &Struct) -> String {
    let mut body = String::new();
    for field in &s.fields {
        let missing = format!(
            "{} {{\nreturn Err(EncodeError::NoField {{ field: \"{}.{}\", version }});\n}}\n",
            not_default(field),
            s.name,
            field.name
        );
        let refuse = if field.ignorable { None } else { Some(missing) };
        body += &match (condition(s.versions, field.versions), refuse, field.tag) {
            (None, _, Some(_)) | (Some(_), None, Some(_)) => String::new(),
            (Some(test), Some(refuse), Some(_)) => format!("if {} && {refuse}", negate(&test)),
            (None, _, None) => write(s, field),
            (Some(test), None, None) => format!("if {test} {{\n{}}}\n", write(s, field)),
            (Some(test), Some(refuse), None) => {
                format!("if {test} {{\n{}}} else if {refuse}", write(s, field))
            }
        };
    }
    body += &tags(s);
    let served = if matches!(s.kind, Kind::Request | Kind::Response) {
        "e.served(Self::API, version)?;\n"
    } else {
        ""
    };
    let body = format!("{served}{}{body}Ok(())\n", bindings(s, &body));
    format!(
        "\nimpl Encode for {}{} {{\n\
         fn encode(&self, e: &mut Encoder, {}: i16) -> Result<(), EncodeError> {{\n{body}}}\n}}\n",
        s.name,
        context.lifetime(&s.name, "'_"),
        version_name(&body),
    )
}

fn negate(test: &str) -> String {
    if let Some(from) = test.strip_prefix("version >= ") {
        format!("version < {from}")
    } else if let Some(to) = test.strip_prefix("version <= ") {
        format!("version > {to}")
    } else {
        format!("!({test})")
    }
}

fn tags(s: &Struct) -> String {
    let flex = flexible(s);
    let mut tagged: Vec<(u32, &Field)> = s.fields.iter().filter_map(|f| Some((f.tag?, f))).collect();
    tagged.sort_by_key(|(tag, _)| *tag);
    let (mut known, mut count, mut fields) = (String::new(), Vec::new(), String::new());
    for (tag, field) in tagged {
        let test = condition(s.versions, field.versions).map_or(String::new(), |test| format!("{test} && "));
        known += &format!("let has_{tag} = {test}{};\n", not_default(field));
        count.push(format!("u32::from(has_{tag})"));
        fields += &format!("if has_{tag} {{\ne.tagged({tag}, |e| {{\n{}Ok(())\n}})?;\n}}\n", write(s, field));
    }
    let none = if count.is_empty() { "0".to_owned() } else { count.join(" + ") };
    let all = format!("{known}e.uvarint({none});\n{fields}");
    match flex {
        "true" => all,
        "flex" => format!("if flex {{\n{all}}}\n"),
        _ => String::new(),
    }
}

/// The statements that write a field.
fn write(s: &Struct, field: &Field) -> String {
    let (flex, place) = (flexible_field(s, field), format!("self.{}", snake(&field.name)));
    let name = format!("\"{}.{}\"", s.name, field.name);
    let Some(nullable) = field.nullable else { return value(&field.ty, flex, &place, "&", &name) };
    let null = condition(field.versions, nullable).unwrap_or_else(|| "true".to_owned());
    match &field.ty {
        Type::String => format!("e.string_opt({flex}, {null}, {place}.as_deref(), {name})?;\n"),
        Type::Bytes => format!("e.bytes_opt({flex}, {null}, {place}.as_deref(), {name})?;\n"),
        Type::Records => format!("e.records_opt({flex}, {null}, {place}.as_ref(), {name})?;\n"),
        Type::Struct(_) => {
            format!(
                "e.present({place}.is_some());\nif let Some(v) = &{place} {{\nv.encode(e, version)?;\n}}\n"
            )
        }
        Type::Array(inner) => format!(
            "e.count_opt({flex}, {null}, {place}.as_ref().map(Vec::len), {name})?;\n\
             for v in {place}.iter().flatten() {{\n{}}}\n",
            value(inner, flex, "v", "*", &name)
        ),
        other => panic!("{name}: {other:?} cannot be null"),
    }
}

/// `reference`: `&` where `place` is a value, `*` where it is a reference.
fn value(ty: &Type, flex: &str, place: &str, reference: &str, name: &str) -> String {
    let (by_ref, by_value) = if reference == "&" {
        (format!("&{place}"), place.to_owned())
    } else {
        (place.to_owned(), format!("*{place}"))
    };
    match ty {
        Type::String => format!("e.string({flex}, {by_ref}, {name})?;\n"),
        Type::Bytes => format!("e.bytes({flex}, {by_ref}, {name})?;\n"),
        Type::Records => format!("e.records({flex}, {by_ref}, {name})?;\n"),
        Type::Struct(_) => format!("{place}.encode(e, version)?;\n"),
        Type::Array(inner) => format!(
            "e.count({flex}, {place}.len(), {name})?;\nfor v in {by_ref} {{\n{}}}\n",
            value(inner, flex, "v", "*", name)
        ),
        scalar => format!("e.{}({by_value});\n", scalar.word()),
    }
}
