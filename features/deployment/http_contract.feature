@deployment
Feature: What cannot be answered is refused
  Programs have faults and people mistype. A request that nobody can answer is refused at once, in words that
  help whoever sent it, costs nobody else anything, and leaves nothing behind.

  Rule: What is wrong is refused within 1 second, and the next good request is served

    Scenario Outline: A request that <is wrong> is refused as <refusal>
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      When a client sends a request that <is wrong>
      Then it is refused as <refusal> within 1 second
      And its sender is told of "<words>"
      And a program can tell what was wrong
      And the next good request is served within 2 seconds
      And within 2 seconds nothing is in flight

      @vllm
      Examples: vLLM
        | backend | is wrong                                     | refusal           | words        |
        | vllm    | names a model that nobody serves             | unknown           | Model        |
        | vllm    | opens a chat with a model that nobody serves | unknown           | Model        |
        | vllm    | names no model                               | malformed         | model        |
        | vllm    | is broken off                                | malformed         | EOF          |
        | vllm    | is empty                                     | malformed         | EOF          |
        | vllm    | is no text                                   | malformed         | unicode      |
        | vllm    | has no prompt                                | malformed         | prompt       |
        | vllm    | opens a chat without a word                  | malformed         | messages     |
        | vllm    | asks for -1 tokens                           | malformed         | -1           |
        | vllm    | asks for 0 tokens                            | malformed         | Max tokens   |
        | vllm    | has a field that nobody knows                | malformed         | nonsense     |
        | vllm    | says that it is prose                        | of the wrong kind | Content-Type |
        | vllm    | does not say what it is                      | of the wrong kind | Content-Type |

      @sglang
      Examples: SGLang
        | backend | is wrong                                     | refusal           | words        |
        | sglang  | names a model that nobody serves             | unknown           | Model        |
        | sglang  | opens a chat with a model that nobody serves | unknown           | Model        |
        | sglang  | names no model                               | malformed         | model        |
        | sglang  | is broken off                                | malformed         | EOF          |
        | sglang  | is empty                                     | malformed         | EOF          |
        | sglang  | is no text                                   | malformed         | unicode      |
        | sglang  | has no prompt                                | malformed         | prompt       |
        | sglang  | opens a chat without a word                  | malformed         | messages     |
        | sglang  | asks for -1 tokens                           | malformed         | -1           |
        | sglang  | asks for 0 tokens                            | malformed         | Max tokens   |
        | sglang  | has a field that nobody knows                | malformed         | nonsense     |
        | sglang  | says that it is prose                        | of the wrong kind | Content-Type |
        | sglang  | does not say what it is                      | of the wrong kind | Content-Type |

      @trtllm
      Examples: TensorRT-LLM
        | backend | is wrong                                     | refusal           | words        |
        | trtllm  | names a model that nobody serves             | unknown           | Model        |
        | trtllm  | opens a chat with a model that nobody serves | unknown           | Model        |
        | trtllm  | names no model                               | malformed         | model        |
        | trtllm  | is broken off                                | malformed         | EOF          |
        | trtllm  | is empty                                     | malformed         | EOF          |
        | trtllm  | is no text                                   | malformed         | unicode      |
        | trtllm  | has no prompt                                | malformed         | prompt       |
        | trtllm  | opens a chat without a word                  | malformed         | messages     |
        | trtllm  | asks for -1 tokens                           | malformed         | -1           |
        | trtllm  | asks for 0 tokens                            | malformed         | Max tokens   |
        | trtllm  | has a field that nobody knows                | malformed         | nonsense     |
        | trtllm  | says that it is prose                        | of the wrong kind | Content-Type |
        | trtllm  | does not say what it is                      | of the wrong kind | Content-Type |

    @use.with_engine=counting @use.with_engine=real
    Scenario Outline: A prompt that is longer than the model can read is refused
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      When a client sends a request that is longer than the model can read
      Then it is refused as too long within 1 second
      And its sender is told of "maximum context length is 32768 tokens"
      And a program can tell what was wrong
      And the next good request is served within 2 seconds
      And within 2 seconds nothing is in flight

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    Scenario Outline: A request that is larger than allowed is refused
      Given a <backend> deployment whose clients may send 1 MB
      When a client sends a request that is larger than 1 MB
      Then it is refused as too large within 1 second
      And its sender is told of "length limit exceeded"
      And the next good request is served within 2 seconds
      And within 2 seconds nothing is in flight

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    Scenario Outline: A request that <is wrong> disturbs nobody
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      When a client sends a request that <is wrong>
      Then it is refused as not offered within 1 second
      And the next good request is served within 2 seconds
      And within 2 seconds nothing is in flight

      @vllm
      Examples: vLLM
        | backend | is wrong                        |
        | vllm    | asks for what is not offered    |
        | vllm    | only looks where one has to ask |

      @sglang
      Examples: SGLang
        | backend | is wrong                        |
        | sglang  | asks for what is not offered    |
        | sglang  | only looks where one has to ask |

      @trtllm
      Examples: TensorRT-LLM
        | backend | is wrong                        |
        | trtllm  | asks for what is not offered    |
        | trtllm  | only looks where one has to ask |

  Rule: Whoever is refused can tell why, and whose fault it was

    @known_defect @use.with_engine=counting @use.with_engine=real
    Scenario Outline: A prompt that is too long is a fault of its sender, not of Dynamo
      Known defect: Dynamo 1.4.2 refuses it as its sender's fault (400) and counts it as an internal error of its own.

      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      When a client sends a request that is longer than the model can read
      Then it is refused as too long within 1 second
      And no failure of Dynamo's own is counted

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @known_defect
    Scenario Outline: A program that asks for what is not offered can tell what was wrong
      Known defect: Dynamo 1.4.2 answers with a bare status (404, 405) and not one word, against RFC 9110, 15.5.

      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      When a client sends a request that asks for what is not offered
      Then it is refused as not offered within 1 second
      And a program can tell what was wrong

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @known_defect
    Scenario Outline: A program whose request is too large can tell what was wrong
      Known defect: Dynamo 1.4.2 refuses it in prose, without the type and code that every other refusal has.

      Given a <backend> deployment whose clients may send 1 MB
      When a client sends a request that is larger than 1 MB
      Then it is refused as too large within 1 second
      And a program can tell what was wrong

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

  Rule: What is wrong is refused for its fault also when there is no place, and when machines die

    @use.with_engine=counting @use.with_engine=real
    Scenario Outline: Wrong requests are refused while every place is taken
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      And a neighbour that streams 300 tokens
      And a client that streams 300 tokens
      And a newcomer that waits for its turn
      When the neighbour has received 10 tokens
      Then these are refused within 1 second
        | a request that                   | is refused as     |
        | names a model that nobody serves | unknown           |
        | is broken off                    | malformed         |
        | has no prompt                    | malformed         |
        | asks for -1 tokens               | malformed         |
        | says that it is prose            | of the wrong kind |
        | asks for what is not offered     | not offered       |
      And the neighbour receives each of the 300 tokens exactly once
      And the newcomer receives each of the 5 tokens exactly once
      And no failure of Dynamo's own is counted
      And within 2 seconds nothing is in flight

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @use.with_engine=counting @use.with_engine=real
    Scenario Outline: Wrong requests are refused for their fault while good ones are turned away
      Given a <backend> deployment with 1 worker that takes nobody in while half of its memory is in use
      And a neighbour that streams 600 tokens
      When the neighbour has received 20 tokens
      Then these are refused within 1 second
        | a request that                   | is refused as     |
        | names a model that nobody serves | unknown           |
        | is broken off                    | malformed         |
        | has no prompt                    | malformed         |
        | asks for -1 tokens               | malformed         |
        | says that it is prose            | of the wrong kind |
        | asks for what is not offered     | not offered       |
      And a good request is refused as overloaded within 1 second
      And a program can tell what was wrong
      And exactly 1 rejection is counted
      And the neighbour receives each of the 600 tokens exactly once
      And within 2 seconds good requests are served again

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    Scenario Outline: Wrong requests are refused while a worker is gone
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And a client that streams 200 tokens
      When the worker that serves the client is killed after 50 tokens
      Then these are refused within 1 second
        | a request that                   | is refused as     |
        | names a model that nobody serves | unknown           |
        | is broken off                    | malformed         |
        | has no prompt                    | malformed         |
        | asks for -1 tokens               | malformed         |
        | says that it is prose            | of the wrong kind |
        | asks for what is not offered     | not offered       |
      And the client receives each of the 200 tokens exactly once
      And the next good request is served within 2 seconds

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |
