-- The control socket, which belongs to root: how a change of entries goes live.
local clock = require "vizgate.clock"
local config = require "vizgate.config"
local entries = require "vizgate.entries"
local rehash = require "vizgate.rehash"

local links = ngx.shared.vizgate_links

local _M = {}

-- PUT of lines "<key> TAB <value>": publishes these entries. One that finds no room is dropped, so that the include files
-- count after the reload that 507 asks for.
local function publish(lines)
    local published, full = 0, 0
    for key, value in lines:gmatch("([^\t\n]+)\t([^\n]*)\n") do
        if links:safe_set(key, value, 0, ngx.time()) then
            published = published + 1
        else
            links:delete(key)
            full = full + 1
        end
    end
    -- last: a worker that clears its cache before the entries are there would keep the old ones for another second
    links:incr("edition", 1)
    ngx.status = full > 0 and 507 or 200
    return published .. " published, " .. full .. " found no room\n"
end

-- POST of keys, one per line: their values.
local function look_up(lines)
    local values = {}
    for key in lines:gmatch("([^\n]*)\n") do
        values[#values + 1] = (entries.get(key) or "") .. "\n"
    end
    return table.concat(values)
end

-- DELETE: if memory gets short, removes entries that the include files have as well. Only old ones: files that nginx reads at
-- this moment, for workers to come, were written after them.
local function tidy()
    local forgotten = 0
    if links:free_space() < links:capacity() / 2 then
        for _, key in ipairs(links:get_keys(0)) do
            local value, published = links:get(key)
            if published and ngx.time() - published > config.settled_seconds and value == entries.on_disk(key) then
                links:delete(key)
                forgotten = forgotten + 1
            end
        end
    end
    return forgotten .. " forgotten\n"
end

-- PATCH: moves the clock of a gateway under test on.
local function advance_clock(seconds)
    if not config.test_clock then
        return ngx.exit(405)
    end
    clock.advance(tonumber(seconds))
    return ""
end

local METHODS = { PUT = publish, POST = look_up, DELETE = tidy, GET = rehash.take, PATCH = advance_clock }

-- Content phase of the control socket.
function _M.handle()
    ngx.req.read_body()
    local text = METHODS[ngx.req.get_method()](ngx.req.get_body_data() or "")
    ngx.header["Content-Length"] = #text
    ngx.print(text)
end

return _M
