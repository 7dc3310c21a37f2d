//! Policies that determined a decision, where the engine's response names them.

use serde_json::Value;

use super::claims::policies;

/// Those of a response: `determiningPolicies` of Amazon Verified Permissions, the `reason` in Cedar's diagnostics, or
/// `determining_policies`.
pub(crate) fn determining_policies(response: &Value) -> Option<Value> {
    let lists = [
        response.get("determiningPolicies"),
        response.get("determining_policies"),
        response.get("diagnostics").and_then(|diagnostics| diagnostics.get("reason")),
    ];
    lists.into_iter().flatten().find(|list| list.is_array()).and_then(policies)
}
