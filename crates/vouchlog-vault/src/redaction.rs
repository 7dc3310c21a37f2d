//! The key of the stand-ins that take the place of secrets: one for each tenant, as lasting as the pseudonyms of what records are
//! found by.

use vouchlog_record::RedactionKey;

use crate::access::Access;
use crate::operation::Operation;
use crate::owners;
use crate::{Result, Vault};

impl Vault {
    /// The key that records of this tenant are read with; none before the tenant has records.
    pub async fn redaction_key(&self, access: &Access, tenant: &str) -> Result<Option<RedactionKey>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                access.require_tenant(tenant)?;
                if let Some(tenant) = self.shared.keys.known_tenant(tenant) {
                    return Ok(Some(tenant.redaction_key()));
                }
                let mut connection = self.shared.db.readers.acquire().await?;
                let tenant = self.shared.find_tenant(&mut connection, tenant).await?;
                Ok(tenant.map(|tenant| tenant.redaction_key()))
            })
            .await
    }

    /// The same for the recorder, which makes the tenant if there is none.
    pub(crate) async fn redaction_key_of(&self, access: &Access, tenant: &str) -> Result<RedactionKey> {
        if let Some(key) = self.redaction_key(access, tenant).await? {
            return Ok(key);
        }
        self.shared
            .named(async {
                access.allow(Operation::Submit)?;
                let mut tx = self.shared.db.begin().await?;
                self.shared.keys.check(&self.shared.db.lock(&mut tx, false).await?)?;
                let tenant = owners::tenant(&self.shared, &mut tx, tenant).await?;
                self.shared.db.commit(tx).await?;
                Ok(tenant.redaction_key())
            })
            .await
    }
}
