-- wrk script: every request has its own number, so that it can create, change or delete one object of its own.
-- LOAD_METHOD, LOAD_PATH and the file LOAD_BODY may hold @N@, which becomes the number (modulo LOAD_MODULO when that is above 0),
-- and the body @B@, which becomes one of 100 buckets.
-- With LOAD_LAST above 0 the run ends at that many answers; wrk itself would go on sleeping, so the process ends here.
local number, answers, failures = -1, 0, 0 -- wrk asks for one request more than it sends, to look at it
local modulo = tonumber(os.getenv("LOAD_MODULO"))
local last = tonumber(os.getenv("LOAD_LAST"))
local body

function init(_)
  local file = io.open(os.getenv("LOAD_BODY"), "rb")
  body = file:read("*a")
  file:close()
  wrk.headers["Authorization"] = "Bearer " .. os.getenv("LOAD_TOKEN")
  wrk.headers["Content-Type"] = os.getenv("LOAD_TYPE")
end

function request()
  local n = tostring(modulo > 0 and number % modulo or number)
  number = number + 1
  local path = os.getenv("LOAD_PATH"):gsub("@N@", n)
  local text = body:gsub("@N@", n):gsub("@B@", tostring(number % 100))
  return wrk.format(os.getenv("LOAD_METHOD"), path, wrk.headers, text)
end

local function count(status)
  answers = answers + 1
  if status > 399 and status ~= 404 then -- the last few requests of a bounded run may find nothing any more
    failures = failures + 1
  end
  if answers >= last then
    io.write(string.format("LOAD %d 0 %d 0 0\n", answers, failures))
    io.flush()
    os.exit(0)
  end
end

if last > 0 then -- wrk is faster when it need not call `response`
  response = count
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format("LOAD %d %d %d %d %d\n", summary.requests, summary.duration,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
