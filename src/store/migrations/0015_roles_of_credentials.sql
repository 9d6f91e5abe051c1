-- A role's name may hold a comma. What a name may have that JSON must write otherwise becomes that.
UPDATE application_credentials SET roles = CASE roles WHEN '' THEN '[]' ELSE
    '[' || replace(json_quote(roles), ',', '","') || ']' END;
