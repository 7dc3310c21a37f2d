//! Where a gateway keeps records, disclosures and receipts: encrypted, searchable, erasable.
