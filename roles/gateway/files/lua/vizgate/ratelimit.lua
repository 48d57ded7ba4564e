-- How many passwords of a client are checked: counters of wrong ones, locks, and slots by time.
local client = require "vizgate.client"
local clock = require "vizgate.clock"
local config = require "vizgate.config"

local checks = ngx.shared.vizgate_checks

local CHECKS_PER_SECOND = 5     -- that one client may cause
local THROTTLE_SECONDS = 5      -- for one check of a throttled client: less than a hundredth of a processor (bcrypt-10)
local MAX_WAIT_SECONDS = 10     -- that a check waits for a slot before 429
local HARD_LOCK_FACTOR = 10     -- after so many times the limit, a remembered password is refused as well

local _M = {}

-- The names of a client's counters: `login` for wrong passwords for the login that it names, whether or not there is one;
-- `client` for all wrong ones; `accepted` for right ones that had to be checked, as one can be spelled in many ways. This
-- host has only the first: it is many people, and one of them must not slow down the others.
function _M.counters(user)
    local address = client.address()
    local login = "login " .. address .. ngx.sha1_bin(user .. "\n" .. (ngx.var.remote_user or ""))
    if address == client.THIS_HOST then
        return { login = login }
    end
    return { login = login, client = "all " .. address, accepted = "right " .. login }
end

-- Whether a counter has reached the limit; a limit of 0 is none.
local function is_full(counter, limit)
    return counter and limit > 0 and (checks:get(counter) or 0) >= limit
end

-- The seconds for which the client's passwords for the login are not checked; nil where they are.
local function remaining(counter, limit)
    return is_full(counter, limit) and math.ceil(checks:ttl(counter) or 1) or nil
end

-- Adds to a counter, if there is one; returns its value.
local function count(counter, number)
    return counter and checks:incr(counter, number, 0, config.lockout.seconds) or 0
end

-- The seconds for which the client is locked out of the login.
function _M.lock_remaining(counters)
    return remaining(counters.login, config.lockout.login)
end

-- The seconds for which not even a remembered password is accepted: a client that goes on guessing while locked would at
-- last be answered by what is remembered of somebody else behind the same address.
function _M.hard_lock_remaining(user)
    return remaining(_M.counters(user).login, config.lockout.login * HARD_LOCK_FACTOR)
end

-- Counts a password that was refused because of the lock.
function _M.count_while_locked(counters)
    count(counters.login, 1)
end

-- Counts a password as wrong before it is checked; returns whether that reaches the limit.
function _M.count_as_wrong(counters)
    local wrong = count(counters.login, 1)
    count(counters.client, 1)
    return config.lockout.login > 0 and wrong >= config.lockout.login
end

-- Takes `count_as_wrong` back, for a password that is right or could not be checked.
function _M.count_as_not_wrong(counters, is_right)
    count(counters.login, -1)
    count(counters.client, -1)
    count(is_right and counters.accepted, 1)
end

-- Begins the seconds of the lock.
function _M.lock(counters)
    checks:expire(counters.login, config.lockout.seconds)
end

-- Counts one check of the client's, and waits while the client has used up its slots; with `counters`, a client that
-- guesses has fewer. Returns nil, or where it would have to wait for too long, the seconds after which to try again.
function _M.acquire_slot(counters)
    local address, start = client.address(), clock.now()
    while true do
        local period, limit, throttle = 1, CHECKS_PER_SECOND, config.lockout.throttle
        if counters and (is_full(counters.client, throttle) or is_full(counters.accepted, throttle)) then
            period, limit = THROTTLE_SECONDS, 1
        end
        local now = clock.now()
        local slot = math.floor(now / period)
        local key, lifetime = ("%s:%d:%d"):format(address, period, slot), clock.slot_lifetime(3 * period)
        if checks:incr(key, 1, 0, lifetime) <= limit then
            return nil
        end
        local next_slot = (slot + 1) * period
        if next_slot - start > MAX_WAIT_SECONDS then
            return math.ceil(next_slot - now)
        end
        clock.sleep_until(next_slot)
    end
end

return _M
