//! Which fields are content: what people wrote and models answered, as opposed to facts about it.

/// Whether the field at a JSON pointer is content. Reading content takes another role than reading the rest, and each reading is
/// put on record.
pub fn is_content(pointer: &str) -> bool {
    let mut parts = pointer.strip_prefix('/').unwrap_or(pointer).split('/');
    let (group, rest): (_, Vec<&str>) = (parts.next().unwrap_or_default(), parts.collect());
    matches!(
        (group, rest.as_slice()),
        ("input" | "output", ["content", ..])
            | ("tools", [_, "arguments" | "result", ..])
            | ("data", ["sources", _, "query" | "content", ..])
            | ("policy", [_, "reason_text", ..])
            | ("approval", ["rationale", ..])
            | ("override", ["reason_text", ..])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_told_by_its_place() {
        for content in [
            "/input/content",
            "/output/content/0/text",
            "/tools/3/arguments",
            "/data/sources/0/content",
            "/approval/rationale",
        ] {
            assert!(is_content(content), "{content}");
        }
        for fact in
            ["", "/input", "/input/bytes", "/tools/3/name", "/initiator/sub", "/content", "/input/contents"]
        {
            assert!(!is_content(fact), "{fact}");
        }
    }
}
