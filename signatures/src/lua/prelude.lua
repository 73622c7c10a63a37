-- What scripts get in the place of the interpreter's functions that work without end: written in Lua, so that each of their steps is an
-- instruction that counts. Gives a function that makes the globals of a call: all tables are new, so that nothing goes from call to call.
local raw, libraries, strings, tools = ...
local collectgarbage, error, next, pcall, rawget, select = collectgarbage, error, next, pcall, rawget, select
local setmetatable, tonumber, type, tointeger, maxinteger = setmetatable, tonumber, type, math.tointeger, math.maxinteger
local concat, pack, unpack, exhausted, seed = table.concat, table.pack, table.unpack, tools.exhausted, math.randomseed

local function integer(value, default, place, name)
  if value == nil then value = default end
  local number = tointeger(tonumber(value))
  if not number then
    error("bad argument #" .. place .. " to '" .. name .. "' (number expected, got " .. type(value) .. ")", 3)
  end
  return number
end

local own = {table = {}}

function own.table.concat(list, separator, first, last)
  first, last = integer(first, 1, 3, "concat"), integer(last, last or #list, 4, "concat")
  local parts, count = {}, 0
  for place = first, last do
    local part = list[place]
    if type(part) ~= "string" and type(part) ~= "number" then
      error("invalid value (at index " .. place .. ") in table for 'concat'", 2)
    end
    count = count + 1
    parts[count] = part
  end
  return concat(parts, separator, 1, count)
end

function own.table.insert(list, ...)
  local last, given = #list + 1, select("#", ...)
  if given == 1 then
    list[last] = (...)
  elseif given == 2 then
    local place, value = ...
    place = integer(place, nil, 2, "insert")
    if place < 1 or place > last then error("bad argument #2 to 'insert' (position out of bounds)", 2) end
    for at = last, place + 1, -1 do list[at] = list[at - 1] end
    list[place] = value
  else
    error("wrong number of arguments to 'insert'", 2)
  end
end

function own.table.move(from, first, last, to, other)
  first, last = integer(first, nil, 2, "move"), integer(last, nil, 3, "move")
  to, other = integer(to, nil, 4, "move"), other or from
  if last < first then return other end
  if first <= 0 and last >= maxinteger + first then error("bad argument #3 to 'move' (too many elements to move)", 2) end
  local more = last - first
  if to > maxinteger - more then error("bad argument #4 to 'move' (destination wrap around)", 2) end
  if to > last or to <= first or other ~= from then
    for step = 0, more do other[to + step] = from[first + step] end
  else
    for step = more, 0, -1 do other[to + step] = from[first + step] end
  end
  return other
end

function own.table.remove(list, place)
  local size = #list
  place = integer(place, size, 2, "remove")
  if place ~= size and (place < 1 or place > size + 1) then
    error("bad argument #2 to 'remove' (position out of bounds)", 2)
  end
  local removed = list[place]
  while place < size do
    list[place] = list[place + 1]
    place = place + 1
  end
  list[place] = nil
  return removed
end

-- Merges runs of twice the length each time: as many steps whatever the values are, and whatever the comparison says.
function own.table.sort(list, before)
  before = before or function(a, b) return a < b end
  local size, from, to = #list, {}, {}
  for at = 1, size do from[at] = list[at] end
  local length = 1
  while length < size do
    for low = 1, size, 2 * length do
      local left, right = low, low + length
      local middle, high = right, low + 2 * length
      if high > size + 1 then high = size + 1 end
      for at = low, high - 1 do
        if left < middle and (right >= high or not before(from[right], from[left])) then
          to[at] = from[left]
          left = left + 1
        else
          to[at] = from[right]
          right = right + 1
        end
      end
    end
    from, to = to, from
    length = 2 * length
  end
  for at = 1, size do list[at] = from[at] end
end

-- What a limit stopped goes on being stopped.
local function settled(...)
  exhausted()
  return ...
end

if tools.restricted then
  function own.pcall(...) return settled(pcall(...)) end

  -- The interpreter calls a handler while its hooks are off; here it is called afterwards.
  function own.xpcall(work, handler, ...)
    local results = pack(pcall(work, ...))
    exhausted()
    if results[1] then return unpack(results, 1, results.n) end
    return false, select(2, settled(pcall(handler, results[2])))
  end

  -- Hooks are off while a finalizer runs as well.
  function own.setmetatable(object, kind)
    if type(kind) == "table" and rawget(kind, "__gc") ~= nil then
      error("finalizers are not available", 2)
    end
    return setmetatable(object, kind)
  end

  -- How the interpreter collects garbage is not for a script to say.
  function own.collectgarbage(option)
    local count = collectgarbage("count")
    if option == "count" then return count end
    if option == "isrunning" then return true end
    if option == nil or option == "collect" or option == "step" then
      tools.spend(count * 1024)
      collectgarbage("collect")
    end
    return 0
  end
end

for name, value in next, own do
  if type(value) == "table" then
    for key, inner in next, value do libraries[name][key] = inner end
  else
    raw[name] = value
  end
end
strings.__metatable = false

return function()
  local globals = {}
  for name, value in next, raw do globals[name] = value end
  for name, library in next, libraries do
    local copy = {}
    for key, value in next, library do copy[key] = value end
    globals[name] = copy
  end
  globals._G, strings.__index = globals, globals.string
  local loaded = {}
  function globals.require(name)
    local library = loaded[name]
    if not library then
      library = {}
      for key, value in next, tools.library(name) do library[key] = value end
      loaded[name] = library
    end
    return library
  end
  seed(1)
  return globals
end
