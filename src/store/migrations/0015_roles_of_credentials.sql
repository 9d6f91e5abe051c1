-- A role's name may hold a comma.
UPDATE application_credentials SET roles = CASE roles WHEN '' THEN '[]' ELSE
    '["' || replace(replace(replace(roles, '\', '\\'), '"', '\"'), ',', '","') || '"]' END;
