-- The request of the seed page, each time with another name, so that every PUT is a durable change.
local counter = 0
wrk.method = "PUT"
wrk.headers["Content-Type"] = "application/json"
request = function()
  counter = counter + 1
  return wrk.format(nil, nil, nil,
    string.format('{"snapshot": {"name": "snap-%06d", "description": "Daily backup"}}', counter % 1000000))
end
