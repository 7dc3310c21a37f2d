//! Ids that an issuer signs, and ids that none does.

use WorkloadAssertion::{
    AwsSts, CloudInstance, EntraToken, GithubActions, GoogleToken, JwtSvid, K8sToken, K8sTokenReview, Mtls,
    Oidc, Wit,
};

use super::*;

#[test]
fn ids_that_an_issuer_signs_are_no_problem() {
    let longest = format!("system:serviceaccount:agents:{}", vec!["a".repeat(63); 3].join("."));
    for (method, id) in [
        (K8sToken, "system:serviceaccount:agents:refunds"),
        (K8sToken, "system:serviceaccount:agents:refunds.v2"),
        (K8sToken, longest.as_str()),
        (K8sTokenReview, "system:serviceaccount:agents:refunds"),
        (K8sTokenReview, "kube-admin"),
        (GithubActions, "repo:octo-org/octo-repo:ref:refs/heads/main"),
        (GithubActions, "repo:octo-org/octo-repo:ref:refs/tags/v1.0"),
        (GithubActions, "repo:octo-org/octo-repo:pull_request"),
        (GithubActions, "repo:octo-org/octo-repo:environment:Production"),
        (GithubActions, "repo:octo-org@123456/octo-repo@456789:ref:refs/heads/main"),
        (GithubActions, "repo:monalisa_octo/.github:environment:a%3Ab"),
        (GithubActions, "repo:octo-org/octo-repo"),
        (GithubActions, "repository_owner:octo-org:repository_visibility:private"),
        (
            GithubActions,
            "job_workflow_ref:octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
        ),
        (GoogleToken, "107517467455664443766"),
        (GoogleToken, "refunds@my-project.iam.gserviceaccount.com"),
        (GoogleToken, "1234567890-compute@developer.gserviceaccount.com"),
        (
            GoogleToken,
            "principal://iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/p.svc.id.goog/subject/ns/agents/sa/refunds",
        ),
        (EntraToken, "bbbbbbbb-1111-2222-3333-444444444444"),
        (EntraToken, "BBBBBBBB-1111-2222-3333-444444444444"),
        (AwsSts, "arn:aws:sts::123456789012:assumed-role/refunds/session-1"),
        (AwsSts, "arn:aws-us-gov:sts::123456789012:assumed-role/refunds/i-0f3a@corp"),
        (AwsSts, "arn:aws:iam::123456789012:role/agents/refunds"),
        (AwsSts, "arn:aws:iam::123456789012:user/build"),
        (Oidc, "project_path:group/project:ref_type:branch:ref:main"),
        (Oidc, "spiffe://corp.example/refunds"),
        (JwtSvid, "spiffe://corp.example/refunds"),
        (Wit, "wimse://corp.example/refunds"),
        (Mtls, "CN=refunds"),
        (CloudInstance, "i-0f3a"),
    ] {
        assert_eq!(problem(Some(method), id), None, "{method:?} {id}");
    }
}

#[test]
fn ids_that_no_issuer_signs_are_a_problem() {
    let long = format!("system:serviceaccount:{}:refunds", "a".repeat(64));
    for (method, id) in [
        (K8sToken, "refunds"),
        (K8sToken, "system:serviceaccount:refunds"),
        (K8sToken, "system:serviceaccount::refunds"),
        (K8sToken, "system:serviceaccount:agents:"),
        (K8sToken, "system:serviceaccount:agents:*"),
        (K8sToken, "system:serviceaccount:Agents:refunds"),
        (K8sToken, "system:serviceaccount:agents:refunds:x"),
        (K8sToken, "system:serviceaccounts:agents"),
        (K8sToken, long.as_str()),
        (K8sTokenReview, "system:serviceaccount:agents:"),
        (GithubActions, "repo:octo-org/*"),
        (GithubActions, "repo:octo-org/octo-repo:*"),
        (GithubActions, "repo:octo-org/octo-repo:"),
        (GithubActions, "repo:octo-org:ref:refs/heads/main"),
        (GithubActions, "repo:-octo/octo-repo:ref:refs/heads/main"),
        (GithubActions, "repo:octo-org/../x:ref:refs/heads/main"),
        (GithubActions, "repo:octo-org@/octo-repo@1:ref:refs/heads/main"),
        (GithubActions, "repo:octo-org@1x/octo-repo@1:ref:refs/heads/main"),
        (GithubActions, "repo: octo-org/octo-repo:ref:refs/heads/main"),
        (GithubActions, "octo-org/octo-repo"),
        (GithubActions, "project_path:group/project:ref_type:branch:ref:main"),
        (GithubActions, ""),
        (GoogleToken, "refunds"),
        (GoogleToken, "ann@corp.example"),
        (GoogleToken, "refunds@.iam.gserviceaccount.com"),
        (GoogleToken, "refunds@evil.example/my-project.iam.gserviceaccount.com"),
        (GoogleToken, "12345"),
        (
            GoogleToken,
            "principalSet://iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/p/*",
        ),
        (
            GoogleToken,
            "principal://iam.googleapis.com/projects/p/locations/global/workloadIdentityPools/p/subject/s",
        ),
        (
            GoogleToken,
            "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/",
        ),
        (EntraToken, "refunds"),
        (EntraToken, "00000000-0000-0000-0000-000000000000"),
        (EntraToken, "bbbbbbbb-1111-2222-3333-44444444444"),
        (EntraToken, "{bbbbbbbb-1111-2222-3333-444444444444}"),
        (AwsSts, "refunds"),
        (AwsSts, "arn:aws:sts::123456789012:assumed-role/refunds"),
        (AwsSts, "arn:aws:sts::123456789012:assumed-role/refunds/"),
        (AwsSts, "arn:aws:sts::123456789012:assumed-role/refunds/*"),
        (AwsSts, "arn:aws:sts::12345678901:assumed-role/refunds/session-1"),
        (AwsSts, "arn:aws:sts:eu-west-1:123456789012:assumed-role/refunds/session-1"),
        (AwsSts, "arn:aws:iam::123456789012:role/"),
        (AwsSts, "arn:aws:s3:::bucket"),
        (AwsSts, "arn:evil:sts::123456789012:assumed-role/refunds/session-1"),
        (Oidc, ""),
        (Oidc, "two words"),
        (Oidc, "spiffe://corp.example:8443/refunds"),
        (JwtSvid, "repo:octo-org/octo-repo:ref:refs/heads/main"),
        (Mtls, "spiffe://Corp.example/refunds"),
    ] {
        assert!(problem(Some(method), id).is_some(), "{method:?} {id}");
    }
}

#[test]
fn a_subject_is_one_that_its_issuer_signs() {
    let github = "https://token.actions.githubusercontent.com";
    assert!(can_be_issued_by(github, "repo:octo-org/octo-repo:ref:refs/heads/main"));
    assert!(!can_be_issued_by(github, "ann") && !can_be_issued_by(&format!("{github}/corp"), "ann"));
    assert!(
        can_be_issued_by(&format!("{github}.evil.example"), "ann"),
        "another issuer's rules are not known"
    );
    assert!(can_be_issued_by("https://idp.example", "ann"));
}

#[test]
fn an_issuer_is_one_of_its_kind() {
    for (method, issuer) in [
        (GithubActions, "https://token.actions.githubusercontent.com"),
        (GithubActions, "https://token.actions.githubusercontent.com/octo-enterprise"),
        (GithubActions, "https://github.corp.example/_services/token"),
        (GoogleToken, "https://accounts.google.com"),
        (EntraToken, "https://sts.windows.net/00000001-0000-0ff1-ce00-000000000000/"),
        (EntraToken, "https://login.microsoftonline.com/00000001-0000-0ff1-ce00-000000000000/v2.0"),
        (K8sToken, "https://kubernetes.default.svc.cluster.local"),
        (K8sToken, "https://oidc.eks.eu-west-1.amazonaws.com/id/0F3A"),
        (Oidc, "https://gitlab.corp.example:8443"),
    ] {
        assert!(is_issuer_of(method, issuer), "{method:?} {issuer}");
    }
    for (method, issuer) in [
        (GithubActions, "https://token.actions.githubusercontent.com.evil.example"),
        (GithubActions, "https://evil.example"),
        (GithubActions, "https://token.actions.githubusercontent.com/a/b"),
        (GithubActions, "http://token.actions.githubusercontent.com"),
        (GithubActions, "token.actions.githubusercontent.com"),
        (GoogleToken, "https://accounts.google.com.evil.example"),
        (GoogleToken, "https://accounts.google.com/x"),
        (EntraToken, "https://sts.windows.net/common/"),
        (
            EntraToken,
            "https://login.microsoftonline.com.evil.example/00000001-0000-0ff1-ce00-000000000000/v2.0",
        ),
        (K8sToken, "cluster"),
        (Oidc, "https://"),
        (Oidc, "https://user@gitlab.example"),
    ] {
        assert!(!is_issuer_of(method, issuer), "{method:?} {issuer}");
    }
}
