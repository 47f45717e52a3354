-- A number keeps its per cent sign, its interval and its power of ten: no line ends between them.  Nor is an option of a
-- command, such as --set, broken after its dashes.
-- pandoc looks for signs much faster than Lua goes through words, so that Lua goes no further than to the last sign.
local STAYS = {"%", "±", "×"} -- with the number before it
local KEEPS = {["±"] = true, ["×"] = true} -- the number after it, too

local function signs(part)
  local text, count = pandoc.utils.stringify(part), 0
  for _, sign in ipairs(STAYS) do
    local at = text:find(" " .. sign, 1, true)
    while at do
      at, count = text:find(" " .. sign, at + 1, true), count + 1
    end
  end
  return count
end

local function stays(text)
  for _, sign in ipairs(STAYS) do
    if text:sub(1, #sign) == sign then return true end
  end
end

local function joined(inlines)
  local left, space, keeps = signs(inlines), false, false -- whether the one before was a space, and the one before that keeps
  if left == 0 then return nil end
  for i, inline in ipairs(inlines) do
    if space then
      local text = inline.t == "Str" and inline.text
      local sign = text and stays(text)
      if sign or keeps then inlines[i - 1] = pandoc.Str("\u{a0}") end
      if sign then left = left - 1 end
      space, keeps = false, KEEPS[text]
      if left == 0 and not keeps then break end
    else
      space = i > 1 and inline.t == "Space"
      keeps = keeps and space
    end
  end
  return inlines
end

function Pandoc(doc)
  local blocks, title = doc.blocks, doc.meta.title
  for i, block in ipairs(blocks) do
    if signs(block) > 0 then blocks[i] = block:walk({Inlines = joined}) end
  end
  if title and signs(title) > 0 then doc.meta.title = pandoc.Span(title):walk({Inlines = joined}).content end
  doc.blocks = blocks
  return doc
end

function Code(code)
  if code.text:match("^%-%-?%w[%w-]*$") then
    code.classes:insert("option")
    return code
  end
end
