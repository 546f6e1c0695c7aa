-- What each company stores: the files of its media, and the metadata of media and folders. Triggers
-- keep the sums, also when records are imported. When a folder is deleted, its row is gone before
-- those of its media, so its trigger counts them, too.
CREATE TABLE company_bytes (
    company_id TEXT NOT NULL PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO company_bytes (company_id, bytes)
SELECT company_id, sum(bytes) FROM (
    SELECT company_id, octet_length(metadata) AS bytes FROM folders
    UNION ALL
    SELECT f.company_id,
        ifnull(json_extract(m.properties_doc, '$.byte_size'), 0) + octet_length(m.metadata)
    FROM media m JOIN folders f ON f.id = m.folder_id
) GROUP BY company_id;

CREATE TRIGGER company_bytes_folder_added AFTER INSERT ON folders BEGIN
    INSERT INTO company_bytes (company_id, bytes)
    VALUES (new.company_id, octet_length(new.metadata))
    ON CONFLICT (company_id) DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER company_bytes_folder_changed AFTER UPDATE OF metadata ON folders BEGIN
    UPDATE company_bytes
    SET bytes = bytes + octet_length(new.metadata) - octet_length(old.metadata)
    WHERE company_id = new.company_id;
END;
CREATE TRIGGER company_bytes_folder_deleted BEFORE DELETE ON folders BEGIN
    UPDATE company_bytes SET bytes = bytes - octet_length(old.metadata) - (
        SELECT ifnull(sum(
            ifnull(json_extract(properties_doc, '$.byte_size'), 0) + octet_length(metadata)), 0)
        FROM media WHERE folder_id = old.id)
    WHERE company_id = old.company_id;
END;
CREATE TRIGGER company_bytes_medium_added AFTER INSERT ON media BEGIN
    UPDATE company_bytes
    SET bytes = bytes + ifnull(json_extract(new.properties_doc, '$.byte_size'), 0)
        + octet_length(new.metadata)
    WHERE company_id = (SELECT company_id FROM folders WHERE id = new.folder_id);
END;
CREATE TRIGGER company_bytes_medium_deleted AFTER DELETE ON media BEGIN
    UPDATE company_bytes
    SET bytes = bytes - ifnull(json_extract(old.properties_doc, '$.byte_size'), 0)
        - octet_length(old.metadata)
    WHERE company_id = (SELECT company_id FROM folders WHERE id = old.folder_id);
END;
CREATE TRIGGER company_bytes_company_deleted AFTER DELETE ON companies BEGIN
    DELETE FROM company_bytes WHERE company_id = old.id;
END;
