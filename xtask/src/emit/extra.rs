//! `impl ToJson` (feature `json`) and `impl Sample` (feature `sample`).

use super::{Context, bindings, condition, not_default, version_name};
use crate::schema::{Field, Struct, snake};

pub(super) fn to_json(context: &Context<'_>, s: &Struct) -> String {
    let mut body = String::new();
    for field in &s.fields {
        let put = format!("o.put(\"{}\", &self.{}, version);\n", field.name, snake(&field.name));
        let has = condition(s.versions, field.versions);
        let said = field.tag.map(|_| not_default(field));
        body += &match (has, said) {
            (None, None) => put,
            (Some(test), None) | (None, Some(test)) => format!("if {test} {{\n{put}}}\n"),
            (Some(has), Some(said)) => format!("if {has} && {said} {{\n{put}}}\n"),
        };
    }
    format!(
        "\n#[cfg(feature = \"json\")]\nimpl ToJson for {}{} {{\nfn to_json(&self, {}: i16) -> Value {{\n\
         let mut o = Object::default();\n{body}o.done()\n}}\n}}\n",
        s.name,
        context.lifetime(&s.name, "'_"),
        version_name(&body),
    )
}

pub(super) fn sample(context: &Context<'_>, s: &Struct) -> String {
    let mut body = String::new();
    for field in &s.fields {
        let set = format!("m.{} = {};\n", snake(&field.name), any(field));
        body += &match condition(s.versions, field.versions) {
            Some(test) => format!("if {test} {{\n{set}}}\n"),
            None => set,
        };
    }
    format!(
        "\n#[cfg(feature = \"sample\")]\nimpl Sample for {}{} {{\nfn sample(g: &mut Gen, {}: i16) -> Self {{\n\
         {}let mut m = Self::default();\n{body}m\n}}\n}}\n",
        s.name,
        context.lifetime(&s.name, "'_"),
        version_name(&body),
        bindings(s, &body),
    )
}

fn any(field: &Field) -> String {
    let any = "Sample::sample(g, version)";
    match field.nullable.map(|nullable| condition(field.versions, nullable)) {
        Some(Some(test)) => format!("if {test} {{ {any} }} else {{ Some({any}) }}"),
        Some(None) | None => any.to_owned(),
    }
}
