-- Until now "multiattach" said of the first types that their volumes may be shared, as EVS has it. Now it makes every
-- volume of a type multiattach, as Cinder has it: these types never meant that.
UPDATE volume_types SET extra_specs = json_remove(extra_specs, '$.multiattach')
  WHERE name IN ('SATA', 'SAS', 'GPSSD', 'SSD', 'ESSD') AND json_extract(extra_specs, '$."RESKEY:availability_zones"') IS NOT NULL;
