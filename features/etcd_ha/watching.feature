@etcd_ha @use.with_engine=counting
Feature: A frontend that was cut off from etcd catches up with what it missed
  Workers come and go while a frontend cannot hear of it. When it can again, it must know all of them and none that is
  gone, also where etcd has forgotten in the meantime how it came about.

  Every load is 10 requests a second. A worker that is to end serves on for 5 seconds, in which the frontend must hear
  of it; a request that it sends there at the very end may still fail. All of this is observed, not promised.

  Rule: Within 10 seconds of hearing of etcd again a frontend sends requests to whoever has come, and to nobody who left

    @vllm
    Scenario: A frontend catches up with who came and who went while it heard nothing
      Given a vllm deployment with 2 workers and 3 etcd members
      And 10 requests a second for 30 tokens each
      When this happens under the load
        | what happens                              | to whom       | when              |
        | cut off from etcd with a fresh lease      | the frontend  | after 20 requests |
        | joined by a new one that nobody waits for | one worker    | at once           |
        | asked to end                              | vllm-worker-0 | 2 seconds later   |
      Then the new worker answers requests within 10 seconds of the failure's end
      And the new worker is not asked before the failure's end
      And every request is answered in full again within 10 seconds of the failure's end
      And no token is lost or repeated

    @vllm
    Scenario: A frontend catches up although etcd has forgotten how one worker came and another one went
      Given a vllm deployment with 2 workers and 3 etcd members
      And 10 requests a second for 30 tokens each
      When this happens under the load
        | what happens                              | to whom         | when              |
        | cut off from etcd with a fresh lease      | the frontend    | after 20 requests |
        | joined by a new one that nobody waits for | one worker      | at once           |
        | made to forget its history                | the etcd leader | 2 seconds later   |
        | asked to end                              | vllm-worker-0   | at once           |
      Then the new worker answers requests within 10 seconds of the failure's end
      And the new worker is not asked before the failure's end
      And every request is answered in full again within 10 seconds of the failure's end
      And no token is lost or repeated

  Rule: A worker that comes while etcd is lost for a moment serves within 40 seconds of its return, without a hand

    @vllm
    Scenario Outline: A worker that comes serves although the <what> is lost <when>
      Given a vllm deployment with 2 workers and <etcd>, where what ends is started again
      And 10 requests a second for 30 tokens each
      When this happens under the load
        | what happens                              | to whom    | when              |
        | joined by a new one that nobody waits for | one worker | after 20 requests |
        | gone for 4 seconds                        | the <what> | <moment>          |
      Then the new worker answers requests within 40 seconds of the failure's end
      And every request is answered in full again within 40 seconds of the failure's end
      And no token is lost or repeated
      And what of Dynamo has ended says that it lost etcd

      Examples: members
        | etcd           | what        | when                            | moment         |
        | 3 etcd members | etcd leader | while a worker starts           | at once        |
        | 3 etcd members | etcd leader | when a worker is about to serve | 1 second later |
        | 1 etcd member  | etcd member | while a worker starts           | at once        |
        | 1 etcd member  | etcd member | when a worker is about to serve | 1 second later |
