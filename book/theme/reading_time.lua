-- Fills []{.reading-time} with the minutes that a chapter takes to read: its words, without code and solutions, at 220 a minute.
-- In the PDF of Quarto all chapters are one document, so that a chapter goes from one heading of the first level to the next.
local PER_MINUTE = 220

local function words(blocks)
  local count = 0
  pandoc.Blocks(blocks):walk({
    traverse = "topdown",
    Str = function(str) if str.text:match("%w") then count = count + 1 end end,
    CodeBlock = function(code) return code, false end,
    Div = function(div) if div.identifier:match("^sol%-") then return div, false end end,
  })
  return count
end

local function minutes(blocks)
  return math.max(1, math.floor(words(blocks) / PER_MINUTE + 0.5))
end

function Pandoc(doc)
  local chapters, current = {}, pandoc.List()
  for _, block in ipairs(doc.blocks) do
    if block.t == "Header" and block.level == 1 and #current > 0 then
      table.insert(chapters, current)
      current = pandoc.List()
    end
    current:insert(block)
  end
  table.insert(chapters, current)
  local blocks = pandoc.List()
  for _, chapter in ipairs(chapters) do
    local time = minutes(chapter)
    blocks:extend(pandoc.Blocks(chapter):walk({
      Span = function(span)
        if span.classes:includes("reading-time") then
          span.content = {pandoc.Str(tostring(time)), pandoc.Str("\u{a0}"), pandoc.Str(time == 1 and "minute" or "minutes"), pandoc.Space(), pandoc.Str("to"), pandoc.Space(), pandoc.Str("read")}
          return span
        end
      end,
    }))
  end
  doc.blocks = blocks
  return doc
end
