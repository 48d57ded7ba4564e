-- Right passwords of logins with old hashes, kept in memory for a short time: the refresh of every minute takes them and makes
-- better hashes. Which logins have old hashes is published with the logins.
local config = require "vizgate.config"
local get_entry = require("vizgate.entries").get

local verdicts = ngx.shared.vizgate_verdicts

local LIST = "to hash"
local MAX_PASSWORDS, LIFETIME_SECONDS = 100, 180

local _M = {}

-- Keeps the password of a credential that was just accepted, if its hash is old.
function _M.keep(user, credential)
    local login = ngx.var.remote_user or ""
    local old = " " .. (get_entry(user .. "//old") or "") .. " "
    if old:find(" " .. login .. " ", 1, true) and not (config.sign_in.way == "pam" and login == user) then
        local password = (ngx.decode_base64(credential:match("^%S+ +(%S+)") or "") or ""):match("^[^:]*:(.*)$")
        if password and (verdicts:llen(LIST) or 0) < MAX_PASSWORDS then
            verdicts:lpush(LIST, user .. "\t" .. login .. "\t" .. ngx.encode_base64(password) .. "\n")
            verdicts:expire(LIST, LIFETIME_SECONDS)
        end
    end
end

-- The kept passwords, which are then forgotten: lines "<user> TAB <login> TAB <password in base64>".
function _M.take()
    local lines = {}
    for number = 1, MAX_PASSWORDS do
        lines[number] = verdicts:rpop(LIST)
        if not lines[number] then
            break
        end
    end
    return table.concat(lines)
end

return _M
