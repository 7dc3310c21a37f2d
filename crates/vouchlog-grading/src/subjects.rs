//! Which texts can be the id of a workload, by how its identity was asserted. An id that no issuer signs was not read from a verified
//! assertion.

use vouchlog_record::WorkloadAssertion;

use crate::spiffe::{claims_to_be_spiffe, is_workload_id};

/// Longest subject of a token, in bytes (OpenID Connect Core section 2: 255 ASCII characters; GitHub's are longer).
const MAX_SUBJECT_BYTES: usize = 2_048;

// SPEC: Kubernetes names are DNS subdomains of at most 253 characters, namespaces DNS labels of at most 63 characters.
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// What is wrong with the id of a workload; `None` if an issuer can have signed it.
pub(crate) fn problem(method: Option<WorkloadAssertion>, id: &str) -> Option<&'static str> {
    use WorkloadAssertion::{
        AwsSts, EntraToken, GithubActions, GoogleToken, JwtSvid, K8sToken, Oidc, X509Svid,
    };
    let (is_its, what) = match method {
        Some(X509Svid | JwtSvid) => (is_workload_id(id), "the workload's identity is not a valid SPIFFE ID"),
        _ if claims_to_be_spiffe(id) => {
            (is_workload_id(id), "the workload's identity is not a valid SPIFFE ID")
        }
        Some(K8sToken) => {
            (is_service_account(id), "the workload's identity is not a Kubernetes service account")
        }
        _ if id.starts_with(SERVICE_ACCOUNT) => {
            (is_service_account(id), "the workload's identity is not a Kubernetes service account")
        }
        Some(GithubActions) => {
            (is_github_subject(id), "the workload's identity is not a subject of GitHub Actions")
        }
        Some(GoogleToken) => (is_google(id), "the workload's identity is not one of Google's"),
        Some(EntraToken) => (is_guid(id), "the workload's identity is not an object id of Microsoft Entra"),
        Some(AwsSts) => (is_aws_caller(id), "the workload's identity is not the ARN of a caller"),
        Some(Oidc) => (is_subject(id), "the workload's identity cannot be the subject of a token"),
        _ => return None,
    };
    (!is_its).then_some(what)
}

/// Whether the issuer that is named can have issued a token of this kind; of kinds that have no issuer of their own, any can.
pub(crate) fn is_issuer_of(method: WorkloadAssertion, issuer: &str) -> bool {
    let Some(rest) = issuer.strip_prefix("https://") else { return false };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    match method {
        // The issuer of github.com, with an enterprise's own path or without, or that of a server of one's own.
        WorkloadAssertion::GithubActions => match host {
            "token.actions.githubusercontent.com" => {
                path.is_empty() || !path.contains('/') && is_slug(path, MAX_LABEL_BYTES)
            }
            host => is_host(host) && path == "_services/token",
        },
        // Google's own accounts, its exchange of federated tokens, and its clusters.
        WorkloadAssertion::GoogleToken => {
            host == "accounts.google.com" && path.is_empty()
                || ["sts.googleapis.com", "iam.googleapis.com", "container.googleapis.com"].contains(&host)
        }
        WorkloadAssertion::EntraToken => {
            let tenant = path.strip_suffix("/v2.0").or_else(|| path.strip_suffix('/')).unwrap_or(path);
            let is_entra = host == "sts.windows.net"
                || [
                    "login.microsoftonline.com",
                    "login.microsoftonline.us",
                    "login.partner.microsoftonline.cn",
                ]
                .contains(&host);
            is_entra && is_guid(tenant)
        }
        _ => is_host(host.split_once(':').map_or(host, |(host, _)| host)),
    }
}

/// Whether an issuer that issues tokens for workloads alone can have signed this subject; any other issuer can.
pub(crate) fn can_be_issued_by(issuer: &str, subject: &str) -> bool {
    let is_github = issuer.strip_prefix("https://token.actions.githubusercontent.com");
    let is_github = is_github.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    !is_github || is_github_subject(subject)
}

/// Whether a method's ids are those of an issuer, so that one means nothing without it.
pub(crate) const fn needs_issuer(method: WorkloadAssertion) -> bool {
    use WorkloadAssertion::{EntraToken, GithubActions, GoogleToken, K8sToken, Oidc};
    matches!(method, K8sToken | GithubActions | GoogleToken | EntraToken | Oidc)
}

fn is_subject(id: &str) -> bool {
    (1..=MAX_SUBJECT_BYTES).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_graphic())
}

fn is_host(host: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&host.len()) && host.split('.').all(|label| is_slug(label, MAX_LABEL_BYTES))
}

/// Letters, digits and hyphens, none of them at an end.
fn is_slug(text: &str, most: usize) -> bool {
    let is_its = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    (1..=most).contains(&text.len())
        && text.bytes().all(is_its)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A DNS label as Kubernetes takes it.
fn is_label(text: &str) -> bool {
    is_slug(text, MAX_LABEL_BYTES) && !text.bytes().any(|c| c.is_ascii_uppercase())
}

/// `system:serviceaccount:NAMESPACE:NAME`.
pub(crate) fn is_service_account(id: &str) -> bool {
    let Some((namespace, name)) = id.strip_prefix(SERVICE_ACCOUNT).and_then(|rest| rest.split_once(':'))
    else {
        return false;
    };
    let is_name = name.len() <= MAX_NAME_BYTES && name.split('.').all(is_label);
    is_label(namespace) && is_name
}

/// Claims that a subject of GitHub Actions can be made of; an organisation chooses which, and in which order.
const GITHUB_CLAIMS: [&str; 21] = [
    "repo",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "repository_visibility",
    "repo_property",
    "context",
    "actor",
    "actor_id",
    "base_ref",
    "head_ref",
    "ref",
    "environment",
    "enterprise",
    "enterprise_id",
    "job_workflow_ref",
    "job_workflow_sha",
    "workflow",
    "workflow_ref",
    "runner_environment",
];

/// `repo:OWNER/REPOSITORY:CONTEXT`, each with its number behind `@` or without, or another claim that an organisation put first.
fn is_github_subject(id: &str) -> bool {
    let Some((claim, rest)) = id.split_once(':') else { return false };
    if !is_subject(id) || !GITHUB_CLAIMS.contains(&claim) || rest.contains('*') {
        return false;
    }
    if claim != "repo" {
        return !rest.is_empty() && !rest.starts_with(':');
    }
    let (repository, context) = rest.split_once(':').map_or((rest, None), |(one, two)| (one, Some(two)));
    is_repository(repository) && context.is_none_or(|context| !context.is_empty())
}

fn is_repository(text: &str) -> bool {
    fn without_number(text: &str) -> Option<&str> {
        let Some((name, number)) = text.split_once('@') else { return Some(text) };
        let is_number = !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit());
        is_number.then_some(name)
    }
    let Some((owner, name)) = text.split_once('/') else { return false };
    let (Some(owner), Some(name)) = (without_number(owner), without_number(name)) else { return false };
    // An owner's name ends with `_` and a short code where an enterprise manages its accounts.
    let is_owner = owner.len() <= 39 + 16 && owner.split('_').all(|part| is_slug(part, 39));
    let is_its = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
    let is_name = (1..=100).contains(&name.len()) && name.bytes().all(is_its) && !matches!(name, "." | "..");
    is_owner && is_name
}

/// The number or the address of a service account, or a principal of workload identity federation.
fn is_google(id: &str) -> bool {
    if let Some(rest) = id.strip_prefix("principal://iam.googleapis.com/") {
        return is_subject(id) && is_principal(rest);
    }
    if let Some((name, domain)) = id.split_once('@') {
        let is_account = domain == "developer.gserviceaccount.com"
            || domain == "cloudservices.gserviceaccount.com"
            || domain.strip_suffix(".iam.gserviceaccount.com").is_some_and(is_host)
            || domain == "appspot.gserviceaccount.com";
        return is_slug(name, MAX_LABEL_BYTES) && is_account;
    }
    (6..=32).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_digit())
}

/// `projects/NUMBER/locations/global/workloadIdentityPools/POOL/subject/SUBJECT`.
fn is_principal(rest: &str) -> bool {
    let mut parts = rest.splitn(8, '/');
    let mut next = || parts.next().unwrap_or_default();
    let is_project = next() == "projects" && {
        let number = next();
        !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit())
    };
    let is_pool = next() == "locations" && next() == "global" && next() == "workloadIdentityPools" && {
        let pool = next();
        // The pool of a cluster is named after its project: `my-project.svc.id.goog`.
        is_host(pool)
    };
    is_project && is_pool && next() == "subject" && !next().is_empty()
}

/// `8-4-4-4-12` hexadecimal digits, not all of them zero.
fn is_guid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts
            .iter()
            .zip(lengths)
            .all(|(part, length)| part.len() == length && part.bytes().all(|c| c.is_ascii_hexdigit()))
        && text.bytes().any(|c| c != b'-' && c != b'0')
}

/// What STS returns as the caller: a session of a role, a role, a user, or a federated user. A policy's pattern is none.
fn is_aws_caller(id: &str) -> bool {
    let mut parts = id.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let is_partition = next() == "arn" && {
        let partition = next();
        partition == "aws" || partition.strip_prefix("aws-").is_some_and(|rest| is_slug(rest, 32))
    };
    let (service, region, account, resource) = (next(), next(), next(), next());
    let is_account = account.len() == 12 && account.bytes().all(|c| c.is_ascii_digit());
    let names: Vec<&str> = resource.split('/').collect();
    let is_resource = match (service, names.as_slice()) {
        ("sts", ["assumed-role", role, session]) => is_aws_name(role, 64) && is_aws_name(session, 64),
        ("sts", ["federated-user", name]) => is_aws_name(name, 64),
        // A path may stand before the name.
        ("iam", ["role" | "user", path @ .., name]) => {
            is_aws_name(name, 64) && path.iter().all(|part| is_aws_name(part, 512))
        }
        _ => false,
    };
    is_partition && region.is_empty() && is_account && is_resource
}

fn is_aws_name(name: &str, most: usize) -> bool {
    let is_its =
        |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'=' | b',' | b'.' | b'@' | b'-' | b'_');
    (1..=most).contains(&name.len()) && name.bytes().all(is_its)
}

#[cfg(test)]
mod tests;
