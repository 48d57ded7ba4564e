-- Which accounts of this host are whose.
local ffi = require "ffi"

local SYSTEM_UIDS = 1000        -- accounts below belong to services, not to people

ffi.cdef "unsigned int getuid(void);"

local _M = {}

-- Whether an account is a service's: those below a number, and what systemd gives to services without an account.
local function is_service(uid, below)
    return uid < below or uid >= 61184 and uid < 65520
end
_M.is_service = is_service

-- Whether programs of the administrator run as this account, or it is the account that runs a rootless gateway.
function _M.is_administrators(uid)
    return uid and (is_service(uid, SYSTEM_UIDS) or uid == ffi.C.getuid())
end

return _M
