-- Fills []{.reading-time} with the minutes that a chapter takes to read: its words and formulas, without code and solutions, at 220 words a minute.
-- In the PDF of Quarto all chapters are one document, so that a chapter goes from one heading of the first level to the next.
local PER_MINUTE = 220

local function words(blocks)
  local count = 0
  for _, block in ipairs(blocks) do
    if block.t == "Div" then
      if not block.identifier:match("^sol%-") and not block.classes:includes("hidden") then -- Quarto's, with titles of other chapters
        count = count + words(block.content)
      end
    elseif block.t ~= "Header" or block.level > 1 then -- a title is no block where Quarto makes a page
      for word in pandoc.utils.stringify(block):gmatch("%S+") do -- code blocks have none
        if word:find("%w") then count = count + 1 end
      end
    end
  end
  return count
end

local function minutes(blocks)
  return math.max(1, math.floor(words(blocks) / PER_MINUTE + 0.5))
end

local function filled(chapter)
  local time
  local fill = {Span = function(span)
    if not span.classes:includes("reading-time") then return nil end
    time = time or minutes(chapter)
    span.content = {pandoc.Str(tostring(time)), pandoc.Str("\u{a0}"), pandoc.Str(time == 1 and "minute" or "minutes"), pandoc.Space(), pandoc.Str("to"), pandoc.Space(), pandoc.Str("read")}
    return span
  end}
  return chapter:map(function(block) return block.t == "Div" and block:walk(fill) or block end) -- the strip is a cell's output
end

function Pandoc(doc)
  local blocks, chapter = pandoc.Blocks({}), pandoc.List({})
  for _, block in ipairs(doc.blocks) do
    if block.t == "Header" and block.level == 1 then
      blocks:extend(filled(chapter))
      chapter = pandoc.List({})
    end
    chapter:insert(block)
  end
  blocks:extend(filled(chapter))
  doc.blocks = blocks
  return doc
end
