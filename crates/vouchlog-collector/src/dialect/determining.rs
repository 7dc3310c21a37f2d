//! Policies that determined a decision, where the engine names several.

use serde_json::Value;

use crate::limits::MAX_LISTED;

/// The ids in an engine's response: `determiningPolicies` of Amazon Verified Permissions, the `reason` in Cedar's diagnostics, or
/// `determining_policies`.
pub(crate) fn determining_policies(response: &Value) -> Vec<String> {
    let lists = [
        response.get("determiningPolicies"),
        response.get("determining_policies"),
        response.get("diagnostics").and_then(|diagnostics| diagnostics.get("reason")),
    ];
    let named = lists.into_iter().flatten().find_map(Value::as_array);
    let id = |policy: &Value| {
        let id = ["policyId", "policy_id", "id"].iter().find_map(|name| policy.get(*name));
        id.unwrap_or(policy).as_str().filter(|id| !id.is_empty()).map(str::to_owned)
    };
    named.into_iter().flatten().filter_map(id).take(MAX_LISTED).collect()
}
