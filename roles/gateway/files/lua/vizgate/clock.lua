-- The clock that slots of password checks go by. A gateway under test has one that stands still, and that the control socket
-- moves on: so a test waits for no lock to end, and nothing ends before the test wants it.
local config = require "vizgate.config"

local links = ngx.shared.vizgate_links
local checks = ngx.shared.vizgate_checks
local verdicts = ngx.shared.vizgate_verdicts

local POLL_SECONDS = 0.02
local SLOT_SECONDS = 120        -- real seconds for which the clock may stand still

local _M = {}

-- Seconds since the epoch.
local function now()
    return config.test_clock and checks:get("clock") or ngx.now()
end
_M.now = now

-- Waits until a time, and for a random moment more, so that not all who wait go on at once.
function _M.sleep_until(time)
    if not config.test_clock then
        return ngx.sleep(time - ngx.now() + math.random() / 20)
    end
    while now() < time do
        ngx.sleep(POLL_SECONDS)
    end
end

-- The seconds for which a slot is to be kept in memory.
function _M.slot_lifetime(seconds)
    return config.test_clock and SLOT_SECONDS or seconds
end

-- Moves the clock of a gateway under test on by some seconds, and with it the ends of all that is remembered about logins.
function _M.advance(seconds)
    for _, dict in ipairs { checks, verdicts } do
        for _, key in ipairs(dict:get_keys(0)) do
            local remaining = dict:ttl(key)
            if remaining and remaining > seconds then
                dict:expire(key, remaining - seconds)
            elseif remaining and remaining > 0 then
                dict:delete(key)
            end
        end
    end
    -- what workers have cached holds for a second
    links:incr("edition", 1)
    checks:add("clock", ngx.now())
    checks:incr("clock", seconds)
end

return _M
