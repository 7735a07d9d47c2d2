-- An account is an ERP's (erp/main) or a store's (store/acme): the ledgers of before were all ERPs'.
ALTER TABLE ledger RENAME COLUMN erp TO account;
UPDATE ledger SET account = 'erp/' || account;
