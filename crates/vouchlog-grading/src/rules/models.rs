//! Whether the model that answered is the one that was asked for, under one of its names.

use vouchlog_record::Model;

use crate::field_view::view;

/// Where Amazon Bedrock runs a model, before the vendor in its name: `us.anthropic.claude-…`.
const REGIONS: [&str; 9] = ["us", "eu", "apac", "us-gov", "global", "jp", "au", "ca", "sa"];

/// Vendors, as Bedrock puts them before a model's name.
const VENDORS: [&str; 15] = [
    "anthropic",
    "amazon",
    "meta",
    "mistral",
    "cohere",
    "ai21",
    "deepseek",
    "openai",
    "qwen",
    "stability",
    "writer",
    "luma",
    "twelvelabs",
    "nvidia",
    "google",
];

/// Names for what is not final yet. A date follows: without one, `o1-preview` is another model than `o1`.
const CHANNELS: [&str; 5] = ["preview", "exp", "experimental", "beta", "rc"];

/// Where requests name a deployment, which the operator calls anything.
const AZURE_HOSTS: [&str; 4] =
    [".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com", ".models.ai.azure.com"];

/// Whether what was requested is a name that the operator gave, so that it says nothing of a model.
pub(super) fn is_deployment(model: &Model, requested: &str) -> bool {
    let provider = view(&model.provider).text().value();
    let by_provider = provider.is_some_and(|provider| {
        let mut words = provider.split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| word.eq_ignore_ascii_case("azure"))
    });
    let by_endpoint = view(&model.endpoint).text().value().is_some_and(|endpoint| {
        let host = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, rest)| rest);
        let host = host.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase();
        AZURE_HOSTS.iter().any(|azure| host.ends_with(azure))
    });
    let of_bedrock = requested.starts_with("arn:aws")
        && [":application-inference-profile/", ":provisioned-model/", ":custom-model-deployment/"]
            .iter()
            .any(|kind| requested.contains(kind));
    by_provider || by_endpoint || of_bedrock
}

/// Whether `served` is `requested`, or a version of it: the same name and, after `-`, `@` or `:`, a version or a date.
pub(super) fn is_version_of(served: &str, requested: &str) -> bool {
    let (served, requested) = (plain_name(served), plain_name(requested));
    if requested.is_empty() {
        return false;
    }
    served
        .strip_prefix(requested.as_str())
        .is_some_and(|rest| rest.is_empty() || is_version(rest, &requested))
}

/// A model's name without who resells it, where it runs, and the words for its newest version.
fn plain_name(name: &str) -> String {
    // `openai/gpt-5`, `models/gemini-3`, `arn:aws:bedrock:…:inference-profile/us.anthropic.claude-…`
    let name = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase().replace('@', "-");
    let in_region = name.split_once('.').filter(|(region, _)| REGIONS.contains(region));
    let name =
        in_region.map(|(_, rest)| rest.to_owned()).filter(|rest| of_vendor(rest).is_some()).unwrap_or(name);
    let name = match of_vendor(&name) {
        // Bedrock counts revisions of its own: `-v2:0`.
        Some(name) => without_revision(name).to_owned(),
        None => name,
    };
    let newest = ["-latest", ":latest"].iter().find_map(|newest| name.strip_suffix(newest));
    newest.map_or_else(|| name.clone(), str::to_owned)
}

fn of_vendor(name: &str) -> Option<&str> {
    name.split_once('.').filter(|(vendor, _)| VENDORS.contains(vendor)).map(|(_, name)| name)
}

fn without_revision(name: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let base = name.split_once(':').filter(|(_, minor)| is_number(minor)).map_or(name, |(base, _)| base);
    base.rsplit_once("-v").filter(|(_, major)| is_number(major)).map_or(base, |(base, _)| base)
}

/// Whether the rest of a name is a version: `-2026-08-07`, `-0613`, `-v2`, `:8`, `-preview-05-20`; not `-1-20250805` or `-mini`. After
/// a channel, `flash-preview`, a date without a year will do.
fn is_version(rest: &str, of: &str) -> bool {
    let of_channel = of.rsplit('-').next().is_some_and(|word| CHANNELS.contains(&word));
    let is_tag = rest.starts_with(':');
    let Some(rest) = rest.strip_prefix(['-', ':']) else { return false };
    let mut parts: Vec<&str> = rest.split(['-', ':', '_']).collect();
    let begins_channel = parts.len() > 1 && CHANNELS.contains(&parts[0]);
    if begins_channel {
        parts.remove(0);
    }
    let digits = |part: &str| part.strip_prefix('v').unwrap_or(part).to_owned();
    let is_number = |part: &&str| {
        let digits = digits(part);
        digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    if !parts.iter().all(is_number) {
        return false;
    }
    // A number of one or two digits belongs to the name: `claude-opus-4-1` is another model than `claude-opus-4`.
    let first = parts[0];
    let is_month = first.len() == 2 && parts.get(1).is_some_and(|year| year.len() == 4);
    is_tag || of_channel || begins_channel || first.starts_with('v') || first.len() >= 3 || is_month
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_a_model_is_told_from_another_model() {
        for (served, requested) in [
            ("gpt-5", "gpt-5"),
            ("gpt-5-2026-08-07", "gpt-5"),
            ("openai/gpt-5-2026-08-07", "gpt-5"),
            ("claude-opus-4@20260514", "claude-opus-4"),
            ("claude-opus-4-20260514", "claude-opus-4@20260514"),
            ("amazon.nova-pro-v1:0", "amazon.nova-pro"),
            ("llama3:8", "llama3"),
            ("gemini-3-latest", "gemini-3"),
            ("mistral-small-2603", "mistral-small"),
            ("mistral-small-2603", "mistral-small-latest"),
            ("claude-3-5-sonnet-20241022", "claude-3-5-sonnet-latest"),
            ("llama3", "llama3:latest"),
            ("gpt-4-0613", "gpt-4"),
            ("gemini-1.5-pro-002", "gemini-1.5-pro"),
            ("gemini-2.5-flash-preview-05-20", "gemini-2.5-flash"),
            ("models/gemini-2.5-flash-preview-05-20", "gemini-2.5-flash-preview"),
            ("command-r-08-2024", "command-r"),
            ("claude-3-5-sonnet-20241022", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"),
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"),
            ("claude-sonnet-4-20250514", "bedrock/eu.anthropic.claude-sonnet-4-20250514-v1:0"),
            (
                "claude-sonnet-4-20250514",
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0",
            ),
        ] {
            assert!(is_version_of(served, requested), "{served} of {requested}");
        }
        for (served, requested) in [
            ("gpt-5-mini", "gpt-5"),
            ("gpt-5-mini-2026-08-07", "gpt-5"),
            ("gpt-5-mini", "gpt-5-latest"),
            ("gpt-51", "gpt-5"),
            ("gpt-4", "gpt-5"),
            ("gpt", "gpt-5"),
            ("gpt-5-", "gpt-5"),
            ("o1-preview", "o1"),
            ("claude-opus-4-1-20250805", "claude-opus-4"),
            ("gemini-2.5-flash-lite-preview-06-17", "gemini-2.5-flash"),
            ("gemini-2.5-flash-preview-tts", "gemini-2.5-flash"),
            ("claude-3-haiku-20240307", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"),
            ("gpt-4-32k", "gpt-4"),
            ("us.gpt-5", "gpt-5"),
            ("gpt-5", "latest"),
            ("gpt-5", "x/"),
        ] {
            assert!(!is_version_of(served, requested), "{served} of {requested}");
        }
    }

    #[test]
    fn a_deployment_is_told_from_a_model() {
        let of = |provider: &str, endpoint: &str| Model {
            provider: provider.into(),
            endpoint: endpoint.into(),
            ..Model::default()
        };
        for (model, requested) in [
            (of("azure.ai.openai", ""), "chat-prod"),
            (of("az.ai.openai", "https://acme.openai.azure.com/openai"), "chat-prod"),
            (of("openai", "acme.openai.azure.com:443"), "chat-prod"),
            (of("aws.bedrock", ""), "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2"),
        ] {
            assert!(is_deployment(&model, requested), "{model:?}");
        }
        for (model, requested) in [
            (of("openai", "api.openai.com:443"), "gpt-5"),
            (of("azureus", "openai.azure.com.evil.example"), "gpt-5"),
            (of("aws.bedrock", ""), "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3"),
        ] {
            assert!(!is_deployment(&model, requested), "{model:?}");
        }
    }
}
